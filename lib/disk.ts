export { diskStore, type DiskStore, type DiskStoreConfig } from './disk/disk-store';
export { DiskStoreError, type DiskStoreFailure } from './disk/disk-store-error';
