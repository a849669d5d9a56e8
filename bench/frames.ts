import { once } from "node:events";
import { connect, type Socket } from "node:net";

// HTTP/2 (RFC 9113) by hand, as far as a load generator needs it: a client library costs more per call
// than the server that is measured, and would measure itself.

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const frame = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
};
const flag = { ack: 0x1, endStream: 0x1, endHeaders: 0x4 };
const headerBytes = 9;

/** One connection, on which requests are answered in any order. */
export class Http2Connection {
  readonly #socket: Socket;
  readonly #onAnswer: () => void;
  #unparsed: Buffer = Buffer.alloc(0);
  #nextStream = 1;

  /** @param onAnswer called once for every answer that is complete */
  static async open(origin: string, onAnswer: () => void): Promise<Http2Connection> {
    const { hostname, port } = new URL(origin);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, "connect");
    return new Http2Connection(socket, onAnswer);
  }

  private constructor(socket: Socket, onAnswer: () => void) {
    this.#socket = socket;
    this.#onAnswer = onAnswer;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    // No header table (id 1), and windows so large that they need no upkeep (id 4, and the connection's).
    const settings = Buffer.from([0, 1, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff]);
    const window = Buffer.from([0x7f, 0xff, 0, 0]);
    socket.write(
      Buffer.concat([
        preface,
        framed(frame.settings, 0, 0, settings),
        framed(frame.windowUpdate, 0, 0, window),
      ]),
    );
  }

  send(head: Buffer, body: Buffer): void {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    this.#socket.cork();
    this.#socket.write(framed(frame.headers, flag.endHeaders, stream, head));
    this.#socket.write(framed(frame.data, flag.endStream, stream, body));
    process.nextTick(() => this.#socket.uncork());
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    let rest = this.#unparsed.length === 0 ? chunk : Buffer.concat([this.#unparsed, chunk]);
    while (rest.length >= headerBytes) {
      const end = headerBytes + rest.readUIntBE(0, 3);
      if (rest.length < end) break;
      this.#handle(rest[3] as number, rest[4] as number, rest.subarray(headerBytes, end));
      rest = rest.subarray(end);
    }
    this.#unparsed = rest;
  }

  #handle(type: number, flags: number, payload: Buffer): void {
    if (type === frame.headers || type === frame.data) {
      if ((flags & flag.endStream) !== 0) this.#onAnswer();
    } else if ((type === frame.settings || type === frame.ping) && (flags & flag.ack) === 0) {
      this.#socket.write(
        framed(type, flag.ack, 0, type === frame.ping ? payload : Buffer.alloc(0)),
      );
    } else if (type === frame.resetStream || type === frame.goAway) {
      throw new Error(`the server ended a stream or the connection (frame type ${type})`);
    }
  }
}

/** The head of a POST, as HPACK literals that no table remembers (RFC 7541 §6.2.2). */
export function encodeHead(url: URL, headers: Record<string, string>): Buffer {
  const postAndHttp = Buffer.from([0x83, 0x86]);
  const authority = literal(0x01, url.host);
  const path = literal(0x04, url.pathname);
  const fields = Object.entries(headers).map(([name, value]) =>
    Buffer.concat([literal(0x00, name), text(value)]),
  );
  return Buffer.concat([postAndHttp, authority, path, ...fields]);
}

function literal(first: number, value: string): Buffer {
  return Buffer.concat([Buffer.of(first), text(value)]);
}

/** A string that is not Huffman-coded (RFC 7541 §5.1, §5.2). */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

function framed(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.allocUnsafe(headerBytes);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
