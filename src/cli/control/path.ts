/** Where a running node is spoken to: a socket in its data directory, which only its user may open. */
import { join, resolve } from 'node:path'
import { utf8 } from '../../base/bytes.js'
import { ProtocolError } from '../../base/errors.js'

const SOCKET_FILE = 'control.sock'
/** What the kernel's socket address holds (sun_path), less the zero byte at its end. */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103

/** The path of the control socket; CONTROL_PATH_LONG where the system takes no path as long as that. */
export function controlPath(data: string): string {
  const path = join(resolve(data), SOCKET_FILE)
  const lengthBytes = utf8(path).length
  if (lengthBytes <= MAX_PATH_BYTES) return path
  throw new ProtocolError(
    'CONTROL_PATH_LONG',
    `the control socket's path has ${lengthBytes} bytes where the system takes ${MAX_PATH_BYTES}; choose a shorter directory with --data`,
  )
}
