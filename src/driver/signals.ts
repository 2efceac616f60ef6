/**
 * Lets async iterators wait for "something changed". Waiters hold no queue of their own: they look again at the state, so
 * a slow reader costs no memory.
 */
import { aborted } from './commands.js'

export class Signals {
  private waiters: (() => void)[] = []
  private closed = false

  /** Something changed: everybody who waits looks again. */
  notify(): void {
    for (const wake of this.waiters.splice(0)) wake()
  }

  close(): void {
    this.closed = true
    this.notify()
  }

  get isClosed(): boolean {
    return this.closed
  }

  /** Resolves at the next `notify`; rejects with ABORTED when the signal is aborted. */
  changed(signal?: AbortSignal): Promise<void> {
    if (this.closed) return Promise.resolve()
    if (signal?.aborted) return Promise.reject(aborted())
    return new Promise((resolve, reject) => {
      const wake = () => {
        signal?.removeEventListener('abort', abort)
        resolve()
      }
      const abort = () => {
        this.waiters = this.waiters.filter((waiter) => waiter !== wake)
        reject(aborted())
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.waiters.push(wake)
    })
  }
}
