// Tests wait for events, never for time. The deadline only turns "never happens" into a failure.

const deadline = 15_000;

/** The promise's outcome, or an error that says what did not happen in time. */
export async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), deadline);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Things that arrive, to be taken in the order of their arrival. */
export class Inbox {
  #name;
  #items = [];
  #takers = [];
  #ended = null;

  constructor(name) {
    this.#name = name;
  }

  push(item) {
    const taker = this.#takers.shift();
    if (taker) taker.resolve(item);
    else this.#items.push(item);
  }

  /** Nothing will arrive any more: whoever still waits fails at once instead of at the deadline. */
  end(reason) {
    this.#ended = new Error(`waited in vain for ${this.#name}: ${reason}`);
    for (const taker of this.#takers.splice(0)) taker.reject(this.#ended);
  }

  next() {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift());
    if (this.#ended) return Promise.reject(this.#ended);
    return within(new Promise((resolve, reject) => this.#takers.push({ resolve, reject })), this.#name);
  }

  /** Takes everything up to and including the first item that fits; all of it, in order. */
  async until(fits) {
    const taken = [];
    do taken.push(await this.next()); while (!fits(taken.at(-1)));
    return taken;
  }

  putBack(item) {
    this.#items.unshift(item);
  }

  /** Takes all that has arrived so far. */
  drain() {
    return this.#items.splice(0);
  }

  /** What has arrived and was not taken. */
  get rest() {
    return [...this.#items];
  }
}
