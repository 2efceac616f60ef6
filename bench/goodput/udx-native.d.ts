/** The part of udx-native that is measured; the package comes without types. */
declare module 'udx-native' {
  import type { Duplex } from 'node:stream'

  interface UdxSocket {
    bind(port: number, host: string): void
    setRecvBufferSize(bytes: number): void
    address(): { readonly host: string; readonly port: number }
    close(): Promise<void>
  }

  interface UdxStream extends Duplex {
    connect(socket: UdxSocket, remoteId: number, port: number, host: string): void
  }

  export default class UDX {
    createSocket(): UdxSocket
    createStream(id: number): UdxStream
  }
}
