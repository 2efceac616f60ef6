/** Live progress on a terminal, one bar a phase, on standard error; nothing where nobody watches. */
import { SingleBar } from 'cli-progress'
import type { DemoOptions } from './options.js'
import type { Progress } from './world.js'

export interface ProgressReporter {
  readonly report: Progress
  end(): void
}

export function progressReporter({ json }: DemoOptions): ProgressReporter {
  if (json || !process.stderr.isTTY) return { report: () => undefined, end: () => undefined }
  let current: { readonly phase: string; readonly bar: SingleBar } | undefined
  const end = () => {
    current?.bar.stop()
    current = undefined
  }
  return {
    report(phase, done, total) {
      if (current?.phase !== phase) {
        end()
        current = { phase, bar: startBar(phase, total) }
      }
      current.bar.update(done)
    },
    end,
  }
}

function startBar(phase: string, total: number): SingleBar {
  const bar = new SingleBar({
    format: '{phase} [{bar}] {value}/{total}',
    stream: process.stderr,
    barsize: 30,
    // Interrupting is the demo's to handle: it has processes to end.
    gracefulExit: false,
  })
  bar.start(total, 0, { phase: phase.padEnd(12) })
  return bar
}
