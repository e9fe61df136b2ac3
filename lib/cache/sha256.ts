import { sha256 as portableSha256 } from '@noble/hashes/sha2';
import { bytesToHex } from '@noble/hashes/utils';

interface NodeCrypto {
  /** From Node 20.12 on. */
  hash?(algorithm: 'sha256', text: string, encoding: 'hex'): string;
  createHash(algorithm: 'sha256'): { update(text: string): { digest(encoding: 'hex'): string } };
}

/** Node's own implementation, if the program runs in Node; bundlers see no import of it. */
const nodeCrypto = (
  globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }
).process?.getBuiltinModule?.('node:crypto') as NodeCrypto | undefined;

/** The SHA-256 digest of a text, in hexadecimal; the same everywhere. */
export function sha256(text: string): string {
  if (!nodeCrypto) {
    return bytesToHex(portableSha256(text));
  }
  return nodeCrypto.hash
    ? nodeCrypto.hash('sha256', text, 'hex')
    : nodeCrypto.createHash('sha256').update(text).digest('hex');
}
