import { sha256 as portableSha256 } from '@noble/hashes/sha2';
import { bytesToHex } from '@noble/hashes/utils';

interface NodeCrypto {
  createHash(algorithm: 'sha256'): { update(text: string): { digest(encoding: 'hex'): string } };
}

/** Node's own implementation, several times as fast, where there is a Node; bundlers never see an import of it. */
const nodeCrypto = (
  globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }
).process?.getBuiltinModule?.('node:crypto') as NodeCrypto | undefined;

/** The SHA-256 digest of a text, in hexadecimal; the same everywhere. */
export function sha256(text: string): string {
  return nodeCrypto
    ? nodeCrypto.createHash('sha256').update(text).digest('hex')
    : bytesToHex(portableSha256(text));
}
