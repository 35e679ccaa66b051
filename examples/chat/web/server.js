// The connection to the hub: opens it, keeps it, and says what state it is in.

/** Never gives up: at once, then ever more slowly, and not all tabs at the same moment. */
const endless = {
  nextRetryDelayInMilliseconds: ({ previousRetryCount: count }) =>
    count === 0 ? 0 : Math.min(500 * 2 ** (count - 1), 10_000) * (0.75 + Math.random() / 2),
};

export class Server {
  #connection;
  #onState;
  #comeBack;

  /**
   * `callbacks` are what the hub may call, by name. `onState` hears connecting, connected, reconnecting, disconnected.
   * `comeBack` runs on each new connection before it counts as connected.
   */
  constructor(callbacks, { onState, comeBack }) {
    this.#onState = onState;
    this.#comeBack = comeBack;
    this.#connection = new signalR.HubConnectionBuilder()
      .withUrl('chat')
      .withAutomaticReconnect(endless)
      .configureLogging(signalR.LogLevel.Error)
      .build();
    for (const [name, callback] of Object.entries(callbacks)) this.#connection.on(name, callback);
    this.#connection.onreconnecting(() => onState('reconnecting'));
    this.#connection.onreconnected(() => this.#opened());
    this.#connection.onclose(() => onState('disconnected'));
  }

  async start() {
    this.#onState('connecting');
    try {
      await this.#connection.start();
    } catch {
      // Reconnecting is for connections that were there once; the first is the user's to retry.
      this.#onState('disconnected');
      return;
    }
    await this.#opened();
  }

  get isConnected() {
    return this.#connection.state === signalR.HubConnectionState.Connected;
  }

  invoke(method, ...values) {
    return this.#connection.invoke(method, ...values);
  }

  /** Sends and forgets. */
  notify(method, ...values) {
    this.#connection.send(method, ...values).catch(() => {});
  }

  /** Hands each item of a stream to `take`, until the stream ends. */
  stream(take, method, ...values) {
    return new Promise((complete, error) => {
      this.#connection.stream(method, ...values).subscribe({ next: take, complete, error });
    });
  }

  async #opened() {
    await this.#comeBack();
    // It may be gone again.
    if (this.isConnected) this.#onState('connected');
  }
}

/** What the hub refused in its own words, or what else went wrong. */
export function reason(error) {
  return error.message.split('HubException: ')[1] ?? `That did not work: ${error.message}`;
}
