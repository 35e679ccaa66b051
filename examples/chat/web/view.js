// How the page looks, and what the user does with it.
import { avatar, element, follows, itemElement } from './elements.js';

const $ = id => document.getElementById(id);
const STATES = {
  connecting: 'Connecting…',
  connected: 'Connected',
  reconnecting: 'Reconnecting…',
  disconnected: 'Disconnected',
};

let user = {};

/** Hands what the user does to `handlers`. */
export function listen(handlers) {
  user = handlers;
  onSubmit('enter', () => user.enter($('nickname').value));
  onSubmit('join', join);
  onSubmit('say', say);
  $('leave').addEventListener('click', user.leave);
  $('room').addEventListener('focus', () => user.rooms().catch(() => {}));
  $('room').addEventListener('input', () => showRoomRefusal(''));
  $('text').addEventListener('input', () => { fitText(); user.typing(); });
  addEventListener('resize', fitText);
  $('text').addEventListener('keydown', sendOnEnter);
  for (const button of document.querySelectorAll('.retry')) button.addEventListener('click', user.retry);
  document.addEventListener('visibilitychange', user.seen);
  $('show-places').addEventListener('click', () => openPanel('places'));
  $('show-people').addEventListener('click', () => openPanel('people'));
  $('another-room').addEventListener('click', () => {
    if (isNarrow()) openPanel('places');
    $('room').focus();
  });
  $('veil').addEventListener('click', closePanels);
  document.addEventListener('keydown', event => event.key === 'Escape' && closePanels());
}

function onSubmit(id, handle) {
  $(id).addEventListener('submit', event => {
    event.preventDefault();
    handle();
  });
}

async function join() {
  const name = $('room').value.trim().toLowerCase();
  if (!name) return;
  showRoomRefusal('');
  const refusal = await user.join(name);
  if (refusal) return showRoomRefusal(refusal);
  $('room').value = '';
  closePanels();
  focusText();
}

/** The text stays until it is sent: a refusal is no reason to type it again. */
async function say() {
  const text = $('text').value;
  if (!text.trim()) return;
  try {
    showProblem('');
    setText('');
    await user.say(text);
  } catch (error) {
    if (!$('text').value) setText(text);
    user.refused(error);
  }
}

function sendOnEnter(event) {
  // While an input method composes, Enter belongs to it.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $('say').requestSubmit();
}

// The parts of the page

export function showState(state) {
  for (const status of document.querySelectorAll('.status')) {
    status.dataset.state = state;
    status.firstElementChild.textContent = STATES[state];
  }
  $('enter-button').disabled = state !== 'connected';
}

export function showWelcome(refusal) {
  $('app').hidden = true;
  $('welcome').hidden = false;
  $('refusal').textContent = refusal;
  $('nickname').focus();
  $('nickname').select();
}

export function showApp() {
  if (!$('app').hidden) return;
  $('welcome').hidden = true;
  $('app').hidden = false;
  $('refusal').textContent = '';
  // Hidden, it had no size.
  fitText();
  scrollDown();
  focusText();
}

export function showMe(name) {
  $('me').replaceChildren(avatar(name), element('span', { textContent: name }));
}

export function showPlaces(conversations, current) {
  const all = [...conversations.values()];
  const rooms = all.filter(conversation => conversation.isRoom);
  const people = all.filter(conversation => !conversation.isRoom);
  const place = conversation => element('li', {}, placeButton(conversation, conversation === current));
  $('rooms').replaceChildren(...rooms.map(place));
  $('private').replaceChildren(...people.map(place));
  $('private-title').hidden = people.length === 0;

  const unread = all.reduce((sum, conversation) => sum + conversation.unread, 0);
  $('elsewhere').textContent = unread;
  $('elsewhere').hidden = unread === 0;
  document.title = `${unread ? `(${unread}) ` : ''}${current ? `${heading(current)} · ` : ''}Chat`;
}

function placeButton({ key, name, isRoom, unread }, isCurrent) {
  const sign = isRoom ? element('span', { className: 'sign', textContent: '#', ariaHidden: 'true' }) : avatar(name);
  const button = element('button', { className: 'place' }, sign, element('span', { className: 'name', textContent: name }));
  if (unread) button.append(element('span', { className: 'badge', textContent: unread, ariaLabel: `${unread} unread` }));
  if (isCurrent) button.ariaCurrent = 'true';
  button.addEventListener('click', () => {
    user.show(key);
    closePanels();
    focusText();
  });
  return button;
}

/** Draws a conversation anew; null for none. Screen readers are told of new lines only, not of all these. */
export function showConversation(conversation, me) {
  const { items, draft } = conversation ?? { items: [], draft: '' };
  $('title').textContent = conversation ? heading(conversation) : 'No room';
  $('leave').textContent = conversation?.isRoom ? 'Leave' : 'Close';
  $('leave').hidden = $('say').hidden = $('log').hidden = !conversation;
  $('nowhere').hidden = !!conversation;
  $('text').placeholder = conversation ? `Message ${heading(conversation)}` : '';
  $('log').ariaLive = 'off';
  $('log').replaceChildren(...items.map((item, index) => itemElement(item, items[index - 1], me)));
  setTimeout(() => { $('log').ariaLive = 'polite'; });
  setText(draft);
  showProblem('');
  showOnline(conversation, me);
  showTyping(conversation);
  scrollDown();
}

/** Puts one more item where it belongs. */
export function showItem({ items }, item, me) {
  const log = $('log');
  const wasAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  const index = items.indexOf(item);
  if (index < 0) return;
  // The oldest had to go.
  if (log.children.length >= items.length) log.firstElementChild.remove();
  log.children[index]?.classList.toggle('follows', follows(items[index + 1], item));
  log.insertBefore(itemElement(item, items[index - 1], me), log.children[index] ?? null);
  if (wasAtEnd || item.from === me) scrollDown();
}

export function showOnline(conversation, me) {
  const online = conversation?.online ?? [];
  document.body.classList.toggle('alone', !conversation?.isRoom);
  $('online-title').textContent = `Online · ${online.length}`;
  $('count').textContent = online.length;
  $('online').replaceChildren(...online.map(name => element('li', {}, personButton(name, name === me))));
}

function personButton(name, isMe) {
  const button = element('button', { className: 'place', disabled: isMe },
    avatar(name), element('span', { className: 'name', textContent: isMe ? `${name} (you)` : name }));
  if (!isMe) button.title = `Talk to ${name} in private`;
  button.addEventListener('click', () => {
    user.talkTo(name);
    closePanels();
    focusText();
  });
  return button;
}

export function showTyping(conversation) {
  const names = [...conversation?.typing.keys() ?? []];
  const who = names.length > 2 ? 'Several people' : names.join(' and ');
  $('typing').textContent = who && `${who} ${names.length > 1 ? 'are' : 'is'} typing…`;
}

export function showKnownRooms(rooms) {
  $('known-rooms').replaceChildren(
    ...rooms.map(({ name, online }) => element('option', { value: name, label: `${name} · ${online} online` })));
}

/** Which rooms there are, for somebody who is in none. */
export function showOpenRooms(rooms) {
  $('open-rooms-title').textContent =
    rooms.length ? 'You are in no room. There are people in:' : 'You are in no room, and nobody is in any.';
  const names = [...$('open-rooms').children].map(child => child.dataset.name);
  // Not under the hands of the user without need.
  if (names.join() !== rooms.map(({ name }) => name).join()) {
    $('open-rooms').replaceChildren(...rooms.map(({ name }) => openRoom(name)));
  }
  rooms.forEach(({ online }, index) => {
    $('open-rooms').children[index].querySelector('.count').textContent = `${online} online`;
  });
}

function openRoom(name) {
  const button = element('button', { className: 'place' },
    element('span', { className: 'sign', textContent: '#', ariaHidden: 'true' }),
    element('span', { className: 'name', textContent: name }), element('span', { className: 'count quiet' }));
  button.addEventListener('click', async () => {
    const refusal = await user.join(name);
    if (refusal) showProblem(refusal);
    else focusText();
  });
  const item = element('li', {}, button);
  item.dataset.name = name;
  return item;
}

function showRoomRefusal(text) {
  $('room-refusal').textContent = text;
  $('room').ariaInvalid = text ? 'true' : null;
}

export function showProblem(text) {
  $('problem').textContent = text;
}

export function draft() {
  return $('text').value;
}

// Small things

function heading({ name, isRoom }) {
  return isRoom ? `#${name}` : name;
}

function setText(text) {
  $('text').value = text;
  fitText();
}

/** Lets the field grow with its text. It scrolls when it may not grow any more. */
function fitText() {
  const field = $('text');
  // Hidden, it has no size.
  if (!field.offsetParent) return;
  Object.assign(field.style, { height: '', overflowY: 'hidden' });
  const border = field.offsetHeight - field.clientHeight;
  if (field.scrollHeight > field.clientHeight) field.style.height = `${field.scrollHeight + border}px`;
  if (field.scrollHeight > field.clientHeight + 1) field.style.overflowY = 'auto';
}

function scrollDown() {
  $('log').scrollTop = $('log').scrollHeight;
}

/** Not where it would open a keyboard over half of the screen. */
function focusText() {
  if (!matchMedia('(pointer: coarse)').matches) $('text').focus();
}

/** Whether the columns at the sides slide in. */
function isNarrow() {
  return getComputedStyle($('show-places')).display !== 'none';
}

function openPanel(id) {
  $(id).classList.add('open');
  $(`show-${id}`).ariaExpanded = 'true';
  $('veil').hidden = false;
  $(id).querySelector('button:not(:disabled)')?.focus();
}

function closePanels() {
  for (const id of ['places', 'people']) {
    if (!$(id).classList.contains('open')) continue;
    $(id).classList.remove('open');
    $(`show-${id}`).ariaExpanded = 'false';
    $(`show-${id}`).focus();
  }
  $('veil').hidden = true;
}
