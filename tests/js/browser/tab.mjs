// A real browser, and the chat's page in its tabs. CHROMIUM is the browser (default: /usr/bin/chromium).
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after } from 'node:test';
import { chromium } from 'playwright-core';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Why tests with a browser are left out, if they are. */
export const noBrowser = existsSync(executablePath) ? false : `there is no browser at ${executablePath}`;

const browser = noBrowser ? null : await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});
after(() => browser?.close());

/** A tab with the page. Whatever the browser complains of fails the test. */
export class Tab {
  constructor(page) {
    this.page = page;
  }

  static async open(t, url, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
    t.after(() => context.close());
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const tab = new Tab(page);
    tab.complaints = [];
    page.on('pageerror', error => tab.complaints.push(error.stack));
    page.on('console', message => message.type() === 'error' && tab.complaints.push(message.text()));
    await page.goto(url);
    return tab;
  }

  static async enter(t, url, name, options) {
    const tab = await Tab.open(t, url, options);
    await tab.tryToEnter(name);
    await tab.page.locator('#app').waitFor();
    return tab;
  }

  async tryToEnter(name) {
    await this.page.getByLabel('Your nickname').fill(name);
    await this.page.getByRole('button', { name: 'Come in' }).click();
  }

  async say(text) {
    await this.page.getByLabel('Message', { exact: true }).fill(text);
    await this.page.keyboard.press('Enter');
  }

  /** Waits until exactly one line of this person has exactly this text. */
  async sees(from, text) {
    const line = this.page.locator('.line').filter({ has: this.page.getByText(text, { exact: true }) });
    await line.waitFor();
    assert.equal(await line.locator('.from').textContent(), from);
  }

  async seesNotice(text) {
    await this.page.locator('.notice').getByText(text, { exact: true }).last().waitFor();
  }

  async seesOnline(...names) {
    const wanted = names.join();
    await this.page.waitForFunction(
      wanted => [...document.querySelectorAll('#online .name')].map(name => name.textContent).join() === wanted, wanted);
  }

  async is(state) {
    await this.page.locator(`.bar .status[data-state="${state}"]`).waitFor({ state: 'attached' });
  }

  /** Where an element is, in pixels. */
  box(selector) {
    return this.page.locator(selector).boundingBox();
  }

  place(name) {
    return this.page.locator('#places .place').filter({ has: this.page.getByText(name, { exact: true }) });
  }

  online(name) {
    return this.page.locator('#online').getByRole('button', { name: new RegExp(`^${name}`) });
  }
}
