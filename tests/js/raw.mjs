// Peers without a SignalR client, for input that the official one cannot produce.
import { decode, encode } from '@msgpack/msgpack';
import { WebSocket } from 'ws';
import { Inbox, within } from './waiting.mjs';

const separator = '\u001e';

/** One JSON message as it goes over the wire (P-FRM-01). */
export const json = message => JSON.stringify(message) + separator;

/** One MessagePack message as it goes over the wire (P-FRM-02). */
export const messagePack = message => framed(encode(message));

/** The bytes behind a length prefix. */
export const framed = body => Buffer.concat([varInt(body.length), body]);

function varInt(number) {
  const bytes = [];
  for (; number > 127; number >>= 7) bytes.push((number & 127) | 128);
  return Buffer.from([...bytes, number]);
}

/** The negotiate reply of a hub. `path` may carry a query. */
export async function negotiate(base, path, headers = {}) {
  const [route, query] = path.split('?');
  const response = await fetch(`${base}${route}/negotiate?${query ?? 'negotiateVersion=1'}`, { method: 'POST', headers });
  return response.json();
}

/** Opens a WebSocket without negotiating; the test's end drops it. */
export async function openSocket(t, base, path = '/hub', headers = {}) {
  const socket = new WebSocket(base.replace('http', 'ws') + path, { headers });
  t.after(() => socket.terminate());
  const peer = new Peer(socket);
  await within(new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject)), `a WebSocket to ${path}`);
  return peer;
}

/** Asks for a WebSocket that the server should refuse: the refusal's status and body. */
export async function refusedSocket(base, path, headers = {}) {
  const socket = new WebSocket(base.replace('http', 'ws') + path, { headers });
  const refusal = new Promise((resolve, reject) => {
    socket.once('open', () => {
      socket.terminate();
      reject(new Error(`${path} accepted a WebSocket`));
    });
    socket.once('unexpected-response', async (_, response) => {
      let body = '';
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode, body });
    });
  });
  // Once the response is taken from it, `ws` has nothing left to report but that.
  socket.on('error', () => {});
  return within(refusal, `a refusal of ${path}`);
}

/** Connects and shakes hands; the protocol is JSON unless told otherwise. */
export async function openHub(t, base, path = '/hub', protocol = 'json', headers = {}) {
  const peer = await openSocket(t, base, path, headers);
  peer.send(json({ protocol, version: 1 }));
  await peer.shakenHands();
  peer.speak(protocol);
  return peer;
}

class Peer {
  #socket;
  #frames = new Inbox('a WebSocket message');
  #messages = new Inbox('a hub message');
  #pings = new Inbox('a ping');
  #decode = null;

  constructor(socket) {
    this.#socket = socket;
    socket.on('message', (data, isBinary) => this.#arrived({ data, isBinary }));
    const ended = new Promise(resolve => socket.once('close', resolve));
    /** Resolves with the close code when the WebSocket has ended. */
    this.ended = () => within(ended, 'the WebSocket to close');
    ended.then(code => {
      for (const inbox of [this.#frames, this.#messages, this.#pings]) inbox.end(`the WebSocket closed with ${code}`);
    });
    socket.on('error', () => {});
  }

  /** Sends one WebSocket message: a string as text, bytes as binary. */
  send(...parts) {
    this.#socket.send(typeof parts[0] === 'string' ? parts.join('') : Buffer.concat(parts));
  }

  /** Sends bytes as a text frame, whether or not they are text. */
  sendText(bytes) {
    this.#socket.send(bytes, { binary: false });
  }

  /** Ends the WebSocket with a close frame of this code. */
  close(code) {
    this.#socket.close(code);
  }

  /** Drops the TCP connection. */
  drop() {
    this.#socket.terminate();
  }

  /** What the server chose of the offers in the upgrade. */
  get chosen() {
    return { subprotocol: this.#socket.protocol, extensions: this.#socket.extensions };
  }

  pingWebSocket() {
    this.#socket.ping();
  }

  /** From now on frames are read as messages of this protocol; what follows in a frame already taken is `rest`. */
  speak(protocol) {
    this.#decode = protocol === 'json' ? decodeJson : decodeMessagePack;
    for (const frame of this.#frames.drain()) this.#arrived(frame);
  }

  /** The next frame, before `speak`. */
  frame() {
    return this.#frames.next();
  }

  /** Takes the good handshake response (P-HS-02); messages that share its frame stay to be read. */
  async shakenHands() {
    const { data, isBinary } = await this.frame();
    const end = data.indexOf(separator) + 1;
    const response = data.subarray(0, end).toString();
    if (response !== `{}${separator}`) throw new Error(`handshake failed: ${response}`);
    if (end < data.length) this.#frames.putBack({ data: data.subarray(end), isBinary });
  }

  /** The next hub message that is no ping. */
  next() {
    return this.#messages.next();
  }

  nextPing() {
    return this.#pings.next();
  }

  /** The next message is a completion for this id, and this is it. */
  async answer(id) {
    const message = await this.next();
    if (message.type !== 3 || message.invocationId !== id) {
      throw new Error(`expected the answer to ${id}, got ${JSON.stringify(message)}`);
    }
    return message;
  }

  /** Everything from here to the end of the connection: the hub messages, and the WebSocket's close code. */
  async untilClosed() {
    const code = await this.ended();
    return { messages: this.#messages.drain(), code };
  }

  #arrived(frame) {
    if (!this.#decode) return this.#frames.push(frame);
    for (const message of this.#decode(frame.data)) {
      const type = Array.isArray(message) ? message[0] : message.type;
      (type === 6 ? this.#pings : this.#messages).push(message);
    }
  }
}

/** Whole messages only: a frame that ends inside one is a fault of the server (P-FRM-05). */
function decodeJson(data) {
  const parts = data.toString().split(separator);
  if (parts.pop() !== '') throw new Error(`a message is not whole: ${data}`);
  return parts.map(part => JSON.parse(part));
}

function decodeMessagePack(data) {
  const messages = [];
  for (let at = 0; at < data.length;) {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = data[at++];
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    messages.push(decode(data.subarray(at, at + length)));
    at += length;
  }
  return messages;
}
