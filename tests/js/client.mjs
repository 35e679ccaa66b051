// The official JavaScript client, wrapped for tests.
import { HttpTransportType, HubConnectionBuilder, JsonHubProtocol, LogLevel } from '@microsoft/signalr';
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack';
import { nodeCount } from './server.mjs';
import { Inbox, within } from './waiting.mjs';

/** The transports under test, by their wire names. */
export const transports = (process.env.HUB_TRANSPORTS ?? 'WebSockets').split(',');

const protocols = {
  json: { create: () => new JsonHubProtocol(), binary: false },
  messagepack: { create: () => new MessagePackHubProtocol(), binary: true },
};

/** Every way to talk to a hub: transport and protocol. Server-Sent Events carry text only (P-HS-10). */
export const wires = transports.flatMap(transport =>
  Object.entries(protocols)
    .filter(([, { binary }]) => !(binary && transport === 'ServerSentEvents'))
    .map(([protocol, { create, binary }]) => ({ transport, protocol, binary, create, name: `${transport}, ${protocol}` })));

/** What the conformance hub calls on its clients, other than the question `Ask`. */
const callbacks = ['Message', 'Receive', 'Object', 'StreamCanceled', 'Connected', 'Gone'];

let turn = 0;

/**
 * Connects to a hub; the test's end stops the connection. `path` may carry a query. Over several nodes wires take turns,
 * whatever was asked for, so that each test has clients of all protocols.
 */
export async function connect(t, base, wire, path = '/hub', options = {}) {
  if (nodeCount > 1) wire = wires[turn++ % wires.length];
  const client = new Client(base, wire, path, options);
  t.after(() => client.connection.stop());
  await within(client.connection.start(), `a connection to ${path}`);
  return client;
}

class Client {
  #inboxes = new Map();

  constructor(base, wire, path, { token, headers, ask, keepAlive, reconnect }) {
    const builder = new HubConnectionBuilder()
      .withUrl(base + path, {
        transport: HttpTransportType[wire.transport],
        headers,
        ...(token && { accessTokenFactory: () => token }),
      })
      .withHubProtocol(wire.create())
      .configureLogging(LogLevel.None);
    if (reconnect) builder.withAutomaticReconnect();
    if (keepAlive) builder.withKeepAliveInterval(keepAlive);
    this.connection = builder.build();

    for (const name of callbacks) {
      const inbox = new Inbox(name);
      this.#inboxes.set(name, inbox);
      this.connection.on(name, (...args) => inbox.push(args));
    }
    if (ask) this.connection.on('Ask', ask);

    this.reconnects = 0;
    this.connection.onreconnecting(() => this.reconnects++);
    const closed = new Promise(resolve => this.connection.onclose(error => resolve(error ?? null)));
    /** Resolves with the error that ended the connection, or null. */
    this.closed = () => within(closed, 'the connection to close');
  }

  get id() {
    return this.connection.connectionId;
  }

  invoke(method, ...args) {
    return within(this.connection.invoke(method, ...args), `the answer to ${method}`);
  }

  send(method, ...args) {
    return this.connection.send(method, ...args);
  }

  /** Reads a stream to its end: its items, and the text of the error that ended it, or null. */
  collect(method, ...args) {
    const items = [];
    const ended = new Promise(resolve => this.connection.stream(method, ...args).subscribe({
      next: item => items.push(item),
      complete: () => resolve({ items, error: null }),
      error: error => resolve({ items, error: error.message }),
    }));
    return within(ended, `the end of ${method}`);
  }

  /** The argument lists of one callback, in the order of their arrival. */
  inbox(name) {
    return this.#inboxes.get(name);
  }
}
