/** A store for what does not outlive its process. */
import type { Store } from '../../src/driver/store.js'

export const nowhere: Store = {
  get: async () => undefined,
  async *entries() {},
  write: async () => undefined,
  close: async () => undefined,
}
