/** Opens the control socket of a device (with or without a proxy beside it) or of a server. */
import type { Device } from '../driver/device-api.js'
import type { ProxyNode } from '../driver/proxy.js'
import type { ServerNode } from '../driver/server.js'
import { deviceHandlers } from './control/device-commands.js'
import { controlPath } from './control/path.js'
import { type ControlServer, serveControl } from './control/server.js'
import { serverHandlers } from './control/stop.js'

/** Takes commands for `device` at the control socket of its data directory; `stop` is called when one asks the process to end. */
export function serveDeviceControl(
  data: string,
  device: Device,
  options: { readonly proxy?: ProxyNode | undefined; readonly stop: () => void },
): Promise<ControlServer> {
  return serveControl({ path: controlPath(data), handlers: deviceHandlers(device, options.proxy, options.stop) })
}

/** Takes `status` and `stop` for a server. */
export function serveServerControl(data: string, server: ServerNode, stop: () => void): Promise<ControlServer> {
  return serveControl({ path: controlPath(data), handlers: serverHandlers(server, stop) })
}
