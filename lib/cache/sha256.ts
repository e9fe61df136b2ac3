import { sha256 as portableSha256 } from '@noble/hashes/sha2';
import { bytesToHex } from '@noble/hashes/utils';

interface NodeCrypto {
  /** Since Node 20.12. */
  hash?(algorithm: 'sha256', text: string, encoding: 'hex'): string;
  createHash(algorithm: 'sha256'): { update(text: string): { digest(encoding: 'hex'): string } };
}

/** Node's own implementation, if there is one. Bundlers see no import of it. */
const nodeCrypto = (
  globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }
).process?.getBuiltinModule?.('node:crypto') as NodeCrypto | undefined;

/** The hexadecimal SHA-256 digest of a text, the same on every platform. */
export function sha256(text: string): string {
  if (!nodeCrypto) {
    return bytesToHex(portableSha256(text));
  }
  return nodeCrypto.hash
    ? nodeCrypto.hash('sha256', text, 'hex')
    : nodeCrypto.createHash('sha256').update(text).digest('hex');
}
