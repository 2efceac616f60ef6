/**
 * splitcast as a library: a device, and the nodes it needs around it. Everything here is typed and documented where it is
 * declared; docs/PROTOCOL.md says what happens on the wire.
 */
export type { ErrorCode } from './base/errors.js'
export { ProtocolError } from './base/errors.js'
export type { BackupOptions, BackupPiece, Restored } from './driver/backup.js'
export { restoreBackup } from './driver/backup.js'
export { openDevice } from './driver/device.js'
export type {
  Declined,
  Device,
  DeviceInfo,
  DeviceOptions,
  Group,
  Invitation,
  Invited,
  MemberInfo,
  PendingInvitation,
  SendOptions,
  SendReport,
} from './driver/device-api.js'
export type { ReceivedMessage } from './driver/inbox.js'
export type { ProxyOptions, ServerOptions } from './driver/options.js'
export type { SendOutcome } from './driver/outcomes.js'
export { openProxy, type ProxyNode } from './driver/proxy.js'
export { openServer, type ServerNode } from './driver/server.js'
export type { PaddingMode } from './group/group.js'
export type { UnprovenReason, UploadReport } from './role/device.js'
