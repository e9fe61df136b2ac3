/**
 * As much of the browser's XMLHttpRequest as RxJS's `ajax` uses, on top of `fetch`: an answer of any status loads, a lost
 * one is an error without a status, and JSON that cannot be parsed is null.
 */
export class BrowserRequest extends EventTarget {
  readonly upload = new EventTarget();
  responseType = '';
  timeout = 0;
  readyState = 0;
  status = 0;
  response: unknown = null;
  #method = '';
  #url = '';
  #headers = new Headers();

  open(method: string, url: string): void {
    [this.#method, this.#url] = [method, url];
  }

  setRequestHeader(): void {
    // The server reads none.
  }

  send(body: string): void {
    void this.#send(body);
  }

  getResponseHeader(name: string): string | null {
    return this.#headers.get(name);
  }

  getAllResponseHeaders(): string {
    return [...this.#headers].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  }

  abort(): void {
    this.readyState = 0;
  }

  async #send(body: string): Promise<void> {
    try {
      const signal = AbortSignal.timeout(this.timeout);
      const response = await fetch(this.#url, { method: this.#method, body, signal });
      const text = await response.text();
      this.status = response.status;
      this.#headers = response.headers;
      this.response = this.responseType === 'json' ? parsed(text) : text;
      this.#end('load');
    } catch (error) {
      this.#end((error as Error).name === 'TimeoutError' ? 'timeout' : 'error');
    }
  }

  #end(type: string): void {
    this.readyState = 4;
    this.dispatchEvent(new Event(type));
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
