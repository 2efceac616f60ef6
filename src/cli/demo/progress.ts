/** Live progress on a terminal, one bar a phase, on standard error; nothing where nobody watches. */
import { progress } from '@clack/prompts'
import type { DemoOptions } from './options.js'
import type { Progress } from './world.js'

export interface ProgressReporter {
  readonly report: Progress
  end(): void
}

export function progressReporter({ json }: DemoOptions): ProgressReporter {
  if (json || !process.stderr.isTTY) return { report: () => undefined, end: () => undefined }
  let current: { readonly phase: string; readonly bar: ReturnType<typeof progress>; done: number } | undefined
  const end = () => {
    current?.bar.stop(current.phase)
    current = undefined
  }
  return {
    report(phase, done, total) {
      if (current?.phase !== phase) {
        end()
        const bar = progress({ max: total, output: process.stderr })
        bar.start(phase)
        current = { phase, bar, done: 0 }
      }
      const step = done - current.done
      current.done = done
      if (step > 0) current.bar.advance(step, `${phase} ${done}/${total}`)
    },
    end,
  }
}
