/** The environment for a process that a test starts: neither the test runner's settings nor the user's are for it. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(_?TAP|NODE_OPTIONS|SPLITCAST|XDG_STATE)/.test(name)),
  )
}
