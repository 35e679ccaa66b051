// The chat example in a real browser: its page in several tabs, and beside it the official client in Node.
//
// CHAT_SERVER is the chat server, taken relative to the project's root (default: the program that cargo built last).
// Without a browser the tests are skipped.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { Inbox, within } from '../waiting.mjs';
import { built, start, stop } from './programs.mjs';
import { Tab, noBrowser } from './tab.mjs';

function startServer(url = 'http://127.0.0.1:0') {
  return start(built('CHAT_SERVER', 'chat'), ['--urls', url]);
}

test('two tabs talk', { skip: noBrowser }, async t => {
  const { url } = await startServer();
  const ann = await Tab.enter(t, url, 'Ann');
  await ann.seesOnline('Ann (you)');
  await ann.say('anybody?');
  await ann.sees('Ann', 'anybody?');

  const bob = await Tab.open(t, url);
  await bob.tryToEnter('aNN');
  await bob.page.getByText('The nickname aNN is taken.').waitFor();
  await bob.tryToEnter('Bob the builder');
  await bob.page.getByText('A nickname has 1 to 24 letters, digits, hyphens or underscores.').waitFor();
  await bob.tryToEnter('Bob');
  await bob.sees('Ann', 'anybody?');
  await ann.seesNotice('Bob came in');
  await ann.seesOnline('Ann (you)', 'Bob');
  await bob.seesOnline('Ann', 'Bob (you)');

  const text = `<b>x</b><img src=x onerror="document.title='broken'">`;
  await bob.page.getByLabel('Message', { exact: true }).pressSequentially('<b>');
  await ann.page.getByText('Bob is typing…').waitFor();
  await bob.say(text);
  await ann.sees('Bob', text);
  await ann.page.locator('#typing:empty').waitFor({ state: 'attached' });
  assert.equal(await ann.page.locator('#log b, #log img').count(), 0, 'text is text');

  await ann.online('Bob').click();
  await ann.say('psst');
  await ann.sees('Ann', 'psst');
  await bob.place('Ann').locator('.badge').getByText('1').waitFor();
  assert.match(await bob.page.title(), /^\(1\) /);
  assert.equal(await bob.page.getByText('psst').count(), 0, 'it is not said in the room');
  await bob.place('Ann').click();
  await bob.sees('Ann', 'psst');
  assert.equal(await bob.page.locator('.badge:visible').count(), 0);

  const cleo = await Tab.enter(t, url, 'Cleo');
  await cleo.sees('Ann', 'anybody?');
  await cleo.sees('Bob', text);
  assert.equal(await cleo.page.getByText('psst').count(), 0, 'private messages are not in the history');

  await ann.place('lobby').click();
  await ann.seesNotice('Cleo came in');
  await cleo.page.getByRole('button', { name: 'Leave' }).click();
  await ann.seesNotice('Cleo left');
  await ann.seesOnline('Ann (you)', 'Bob');
  await bob.page.close();
  await ann.seesNotice('Bob left');
  await ann.seesOnline('Ann (you)');
  const again = await Tab.enter(t, url, 'Bob');
  await again.seesOnline('Ann', 'Bob (you)');
  for (const tab of [ann, bob, cleo, again]) assert.deepEqual(tab.complaints.filter(text => !isRefusal(text)), []);
});

/** The client logs what the hub refuses. */
function isRefusal(text) {
  return text.includes('HubException');
}

test('rooms are apart, and count what is unread', { skip: noBrowser }, async t => {
  const { url } = await startServer();
  const [ann, bob] = [await Tab.enter(t, `${url}/#tea`, 'Ann'), await Tab.enter(t, `${url}/#tea`, 'Bob')];
  await ann.page.getByLabel('Join a room').fill('Rust');
  await ann.page.keyboard.press('Enter');
  await ann.page.getByRole('heading', { name: '#rust' }).waitFor();
  await ann.say('only here');
  await ann.sees('Ann', 'only here');
  await bob.say('one');
  await bob.say('two');
  await ann.place('tea').locator('.badge').getByText('2').waitFor();
  await ann.place('tea').click();
  await ann.sees('Bob', 'one');
  await ann.sees('Bob', 'two');
  assert.equal(await ann.place('tea').locator('.badge').count(), 0);
  assert.equal(await bob.page.getByText('only here').count(), 0);

  await bob.page.getByLabel('Join a room').fill('no spaces');
  await bob.page.keyboard.press('Enter');
  await bob.page.getByText('The name of a room has 1 to 24 letters').waitFor();
  assert.equal(await bob.place('no spaces').count(), 0);
  // Where one looks: right below the field, which keeps what was typed.
  const [field, refusal] = [await bob.box('#room'), await bob.box('#room-refusal')];
  const gap = refusal.y - (field.y + field.height);
  assert.ok(gap >= 0 && gap < 12, `${gap} px between the field and what is wrong with it`);
  assert.ok(refusal.x >= 0 && refusal.x + refusal.width <= (await bob.box('#places')).width);
  assert.equal(await bob.page.getByLabel('Join a room').inputValue(), 'no spaces');
  await bob.page.getByLabel('Join a room').fill('spaces');
  await bob.page.locator('#room-refusal:empty').waitFor({ state: 'attached' });
});

test('the message field is as high as its text', { skip: noBrowser }, async t => {
  const { url } = await startServer();
  const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
  for (const [name, options] of [['Ann', {}], ['Bob', phone]]) {
    const tab = await Tab.enter(t, url, name, options);
    const text = tab.page.getByLabel('Message', { exact: true });
    const heights = async () => [(await tab.box('#text')).height, (await tab.box('.composer button')).height];
    const hasScrollBar = () => text.evaluate(field => field.scrollHeight > field.clientHeight && getComputedStyle(field).overflowY !== 'hidden');
    const isOneLine = async when => {
      const [field, button] = await heights();
      assert.ok(field > 40 && Math.abs(field - button) < 1, `${when}: a field of ${field} px beside a button of ${button} px`);
      assert.equal(await hasScrollBar(), false, when);
    };
    await isOneLine('after entering');
    await text.fill('one line');
    await isOneLine('one line');
    await text.fill('one\ntwo\nthree');
    const [three] = await heights();
    assert.ok(three > 80 && three < 110, `${three} px for three lines`);
    assert.equal(await hasScrollBar(), false, 'three lines');
    await text.fill('line\n'.repeat(50));
    assert.ok((await heights())[0] <= 145, 'it does not grow without end');
    assert.equal(await hasScrollBar(), true, 'fifty lines');
    await tab.say(`said by ${name}`);
    await tab.sees(name, `said by ${name}`);
    await isOneLine('after saying');
  }
});

test('addresses of the web are links, and nothing else is', { skip: noBrowser }, async t => {
  const { url } = await startServer();
  const ann = await Tab.enter(t, url, 'Ann');
  const links = {
    'see https://docs.rs/tokio/latest/.': ['https://docs.rs/tokio/latest/'],
    '(http://example.com/a_(b)?c=1&d=2#e), HTTPS://EXAMPLE.COM!': ['http://example.com/a_(b)?c=1&d=2#e', 'HTTPS://EXAMPLE.COM'],
    'https://example.com/"onmouseover="x <https://example.org/<b>>': ['https://example.com/', 'https://example.org/'],
    'javascript:alert(1) data:text/html,x ftp://example.com xhttps://example.com https:// http://[': [],
  };
  for (const [text, addresses] of Object.entries(links)) {
    await ann.say(text);
    await ann.sees('Ann', text);
    const found = await ann.page.locator('.line').last().locator('a').evaluateAll(
      all => all.map(link => [link.textContent, link.href, link.target, link.rel]));
    const wanted = addresses.map(address => [address, new URL(address).href, '_blank', 'noopener noreferrer nofollow']);
    assert.deepEqual(found, wanted, text);
  }
  assert.deepEqual(ann.complaints, []);
});

test('somebody without a room sees which there are', { skip: noBrowser }, async t => {
  const first = await startServer();
  const { url } = first;
  const ann = await Tab.enter(t, url, 'Ann');
  await ann.page.getByRole('button', { name: 'Leave' }).click();
  await ann.page.getByText('You are in no room, and nobody is in any.').waitFor();
  const bob = await Tab.enter(t, `${url}/#tea`, 'Bob');
  const tea = ann.page.locator('#open-rooms').getByRole('button', { name: 'tea' });
  await tea.getByText('1 online').waitFor();
  await ann.page.getByText('You are in no room. There are people in:').waitFor();
  assert.equal(await ann.page.getByLabel('Message', { exact: true }).isVisible(), false);
  const [list, talk] = [await ann.box('#nowhere'), await ann.box('.talk')];
  assert.ok(list.y + list.height < talk.y + talk.height / 2, 'it is where one looks first');

  await tea.click();
  await bob.seesNotice('Ann came in');
  await ann.seesOnline('Ann (you)', 'Bob');
  assert.equal(await ann.page.locator('#nowhere').isVisible(), false);

  const phone = await Tab.enter(t, url, 'Cleo', { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
  await phone.page.getByRole('button', { name: 'Leave' }).tap();
  await phone.page.getByRole('button', { name: 'Make a room of your own' }).tap();
  await phone.page.getByLabel('Join a room').fill('no spaces');
  await phone.page.keyboard.press('Enter');
  await phone.page.locator('#room-refusal').getByText('The name of a room').waitFor();
  await phone.page.getByLabel('Join a room').fill('coffee');
  await phone.page.keyboard.press('Enter');
  await phone.page.getByRole('heading', { name: '#coffee' }).waitFor();
  await phone.page.locator('#places').waitFor({ state: 'hidden' });

  // Nor does a new connection lead into a room that was left.
  await ann.page.getByRole('button', { name: 'Leave' }).click();
  await stop(first, 'SIGKILL');
  for (const tab of [ann, bob]) await tab.is('reconnecting');
  await startServer(url);
  for (const tab of [ann, bob]) await tab.is('connected');
  await bob.seesOnline('Bob (you)');
  await tea.getByText('1 online').waitFor();
  await ann.page.getByRole('heading', { name: 'No room' }).waitFor();
});

test('the official client in Node talks with the page', { skip: noBrowser }, async t => {
  const { url } = await startServer();
  const ann = await Tab.enter(t, url, 'Ann');
  const node = new HubConnectionBuilder().withUrl(`${url}/chat`).configureLogging(LogLevel.None).build();
  t.after(() => node.stop());
  const heard = new Inbox('a callback');
  for (const name of ['Said', 'Told', 'Joined', 'Left', 'Typing']) node.on(name, (...args) => heard.push([name, ...args]));
  await within(node.start(), 'a connection');
  await assert.rejects(node.invoke('Enter', 'Ann', ''), /HubException: The nickname Ann is taken\.$/);
  await assert.rejects(node.invoke('Join', 'lobby'), /HubException: Choose a nickname first\.$/);
  assert.equal(await node.invoke('Enter', ' Node ', ''), 'Node');
  assert.deepEqual((await node.invoke('Join', 'lobby')).online, ['Ann', 'Node']);
  await ann.seesNotice('Node came in');
  assert.deepEqual(await node.invoke('Rooms'), [{ name: 'lobby', online: 2 }]);

  await node.invoke('Say', 'lobby', 'hello, page');
  await ann.sees('Node', 'hello, page');
  await ann.page.getByLabel('Message', { exact: true }).pressSequentially('h');
  await ann.say('hello, Node');
  await ann.online('Node').click();
  await ann.say('psst');
  const calls = await heard.until(([name]) => name === 'Told');
  assert.deepEqual(calls.map(([name]) => name), ['Said', 'Typing', 'Said', 'Told']);
  assert.deepEqual([calls[2][1], calls[2][2].from, calls[2][2].text], ['lobby', 'Ann', 'hello, Node']);
  assert.deepEqual([calls[3][1].from, calls[3][1].text], ['Ann', 'psst']);
  await node.invoke('Tell', 'ann', 'psst yourself');
  await ann.sees('Node', 'psst yourself');
});

test('tabs survive a restart of the server', { skip: noBrowser }, async t => {
  const first = await startServer();
  const tabs = [await Tab.enter(t, first.url, 'Ann'), await Tab.enter(t, first.url, 'Bob')];
  const [ann, bob] = tabs;
  await ann.say('before');
  await bob.sees('Ann', 'before');

  await stop(first, 'SIGKILL');
  for (const tab of tabs) await tab.is('reconnecting');
  const second = await startServer(first.url);
  for (const tab of tabs) await tab.is('connected');
  for (const tab of tabs) await tab.page.waitForFunction(() => document.querySelectorAll('#online li').length === 2);
  await bob.say('after');
  await ann.sees('Bob', 'after');
  await ann.sees('Ann', 'before');

  // Told to stop, it says goodbye such that clients come back.
  assert.equal(await stop(second), 0);
  for (const tab of tabs) await tab.is('reconnecting');
  await startServer(first.url);
  for (const tab of tabs) await tab.is('connected');
  await ann.say('still here');
  await bob.sees('Ann', 'still here');
});

test('a tab whose connection was lost takes its nickname along', { skip: noBrowser }, async t => {
  const { url } = await startServer();
  const bob = await Tab.enter(t, url, 'Bob');
  const ann = await Tab.open(t, url);
  const sockets = [];
  await ann.page.routeWebSocket('**/chat?*', socket => {
    socket.connectToServer();
    // The page's end is not passed on: the server believes that the old connection lives.
    socket.onClose(() => {});
    sockets.push(socket);
  });
  await ann.page.reload();
  await ann.tryToEnter('Ann');
  await bob.seesNotice('Ann came in');
  await sockets[0].close({ code: 4000, reason: 'lost' });
  await bob.seesNotice('Ann left');
  await bob.seesOnline('Ann', 'Bob (you)');
  assert.equal(sockets.length, 2);
  await ann.say('back');
  await bob.sees('Ann', 'back');
});

test('a page without its server offers to try again', { skip: noBrowser }, async t => {
  const first = await startServer();
  const tab = await Tab.open(t, first.url);
  await tab.page.route('**/chat/negotiate*', route => route.abort());
  await tab.page.reload();
  await tab.page.getByRole('button', { name: 'Try again' }).waitFor();
  assert.equal(await tab.page.getByRole('button', { name: 'Come in' }).isDisabled(), true);
  await tab.page.unroute('**/chat/negotiate*');
  await tab.page.getByRole('button', { name: 'Try again' }).click();
  await tab.tryToEnter('Ann');
  await tab.seesOnline('Ann (you)');
});

test('on a phone nothing is wider than the screen, and the panels open', { skip: noBrowser }, async t => {
  const { url } = await startServer();
  const phone = await Tab.enter(t, url, 'A-nickname-of-24-letters', {
    viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true,
  });
  await phone.say('x'.repeat(500));
  await phone.page.locator('.text').getByText('xxx').waitFor();
  const width = await phone.page.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(width, 390);
  await phone.page.getByRole('button', { name: 'Who is online' }).tap();
  await phone.online('A-nickname').waitFor();
  await phone.page.keyboard.press('Escape');
  await phone.page.getByRole('button', { name: 'Conversations' }).tap();
  await phone.place('lobby').tap();
  await phone.page.locator('#places').waitFor({ state: 'hidden' });
});

test('the files come with their types and a strict policy', { skip: noBrowser }, async () => {
  const { url } = await startServer();
  const types = { '': 'text/html', 'chat.css': 'text/css', 'chat.js': 'text/javascript', 'icon.svg': 'image/svg+xml' };
  for (const [path, type] of Object.entries(types)) {
    const response = await fetch(`${url}/${path}`);
    assert.equal(response.headers.get('content-type').split(';')[0], type, path);
    assert.match(response.headers.get('content-security-policy'), /^default-src 'self';/);
    await response.body.cancel();
  }
});
