// What the page knows, and what happens to it: by the hub, by the user. How it looks is up to view.js.
import { Server, reason } from './server.js';
import * as view from './view.js';

const TYPING_SHOWN = 4000;
const TYPING_TOLD_EVERY = 2000;
const LINES_KEPT = 500;
const HISTORY = 100;
const ROOMS_EVERY = 5000;

/** The key lets this page take its nickname along when its connection was lost and the server has not noticed. */
const me = { name: '', key: randomKey() };
/** Rooms under `#name`, private conversations under `@name`. */
const conversations = new Map();
let current = null;
let lastTold = 0;
let lookingForRooms = 0;

const server = new Server(
  { Said: said, Told: told, Joined: presenceChanged('came in'), Left: presenceChanged('left'), Typing: typing },
  { onState: view.showState, comeBack },
);

// What the hub calls

function said(room, line) {
  const conversation = conversations.get(`#${room}`);
  if (conversation) take(conversation, line);
}

function told(line) {
  take(open('@', line.from), line);
}

function presenceChanged(what) {
  return (room, presence) => {
    const conversation = conversations.get(`#${room}`);
    if (!conversation) return;
    setOnline(conversation, presence);
    stopTyping(conversation, presence.name);
    add(conversation, { at: presence.at, notice: `${presence.name} ${what}` });
  };
}

function typing(room, name) {
  const conversation = conversations.get(`#${room}`);
  if (!conversation) return;
  clearTimeout(conversation.typing.get(name));
  conversation.typing.set(name, setTimeout(() => stopTyping(conversation, name), TYPING_SHOWN));
  if (conversation === current) view.showTyping(conversation);
}

// What the page knows

function open(kind, name) {
  const key = kind + name.toLowerCase();
  let conversation = conversations.get(key);
  if (!conversation) {
    conversation = { key, name, isRoom: kind === '#', items: [], online: [], since: 0, typing: new Map(), unread: 0, draft: '' };
    conversations.set(key, conversation);
  }
  return conversation;
}

/** Takes a line that was just said. */
function take(conversation, line) {
  stopTyping(conversation, line.from);
  if (!add(conversation, line) || line.from === me.name) return;
  if (conversation !== current || document.hidden) conversation.unread++;
  view.showPlaces(conversations, current);
}

/** Puts a line or a notice where it belongs in time. One that is there already comes from both history and live. */
function insert({ items }, item) {
  let index = items.length;
  while (index > 0 && items[index - 1].at > item.at) index--;
  if (items[index - 1]?.at === item.at) return false;
  items.splice(index, 0, item);
  if (items.length > LINES_KEPT) items.shift();
  return true;
}

function add(conversation, item) {
  const isNew = insert(conversation, item);
  if (isNew && conversation === current) view.showItem(conversation, item, me.name);
  return isNew;
}

/** Notices may overtake each other: the latest holds. */
function setOnline(conversation, { at, online }) {
  if (at < conversation.since) return;
  Object.assign(conversation, { since: at, online });
  if (conversation === current) view.showOnline(conversation, me.name);
}

function stopTyping(conversation, name) {
  clearTimeout(conversation.typing.get(name));
  if (conversation.typing.delete(name) && conversation === current) view.showTyping(conversation);
}

/** Turns to a conversation, or to none. */
function show(conversation) {
  if (current) current.draft = view.draft();
  current = conversation;
  if (current) current.unread = 0;
  view.showPlaces(conversations, current);
  view.showConversation(current, me.name);
  if (current) clearTimeout(lookingForRooms);
  else lookForRooms();
  if (current?.isRoom) history.replaceState(null, '', `#${current.name}`);
}

/** Nobody tells of rooms that one is not in: somebody who is in none asks, as long as that is so. */
async function lookForRooms() {
  clearTimeout(lookingForRooms);
  lookingForRooms = setTimeout(lookForRooms, ROOMS_EVERY);
  if (document.hidden || !server.isConnected) return;
  const rooms = await server.invoke('Rooms').catch(() => null);
  if (rooms && !current) view.showOpenRooms(rooms);
}

// What the user does

async function enter(name) {
  const isNew = !me.name;
  me.name = await server.invoke('Enter', name, me.key);
  view.showMe(me.name);
  if (isNew) open('#', roomOfAddress());
  // One after the other, and one that refuses us does not stop the rest.
  for (const room of [...conversations.values()].filter(conversation => conversation.isRoom)) {
    await join(room).catch(refused);
  }
  if (!current) show(first());
}

/** Joins a room, or joins it again on a new connection. A room that refuses is dropped. */
async function join(room) {
  try {
    const presence = await server.invoke('Join', room.name);
    room.since = 0;
    setOnline(room, presence);
    await server.stream(line => insert(room, line), 'History', room.name, HISTORY);
    if (room === current) show(room);
  } catch (error) {
    if (server.isConnected) forget(room);
    throw error;
  }
}

function forget(conversation) {
  conversations.delete(conversation.key);
  if (conversation === current) show(first());
}

function first() {
  return conversations.values().next().value ?? null;
}

/** A new connection: the server knows nobody, and may be another one. */
async function comeBack() {
  if (!me.name) return;
  try {
    await enter(me.name);
    view.showApp();
  } catch (error) {
    // Somebody was faster. What was said stays, the rooms are joined again under another nickname.
    if (server.isConnected) view.showWelcome(reason(error));
  }
}

/** Joins a room, or turns to it. What refuses it is the answer. */
async function joinByName(name) {
  const isNew = !conversations.has(`#${name}`);
  const room = open('#', name);
  try {
    if (isNew) await join(room);
  } catch (error) {
    return reason(error);
  }
  show(room);
  return '';
}

async function leave() {
  const left = current;
  if (left.isRoom) await server.invoke('Leave', left.name);
  forget(left);
}

async function say(text) {
  const { isRoom, name } = current;
  lastTold = 0;
  if (isRoom) await server.invoke('Say', name, text);
  else add(open('@', name), await server.invoke('Tell', name, text));
}

function tellTyping() {
  const now = Date.now();
  if (!current.isRoom || !server.isConnected || now - lastTold < TYPING_TOLD_EVERY) return;
  lastTold = now;
  server.notify('Typing', current.name);
}

/** The tab is in front again. */
function seen() {
  if (!current || document.hidden) return;
  current.unread = 0;
  view.showPlaces(conversations, current);
}

function refused(error) {
  view.showProblem(reason(error));
}

function roomOfAddress() {
  return /^#([a-z0-9_-]{1,24})$/.exec(location.hash)?.[1] ?? 'lobby';
}

function randomKey() {
  // Not `randomUUID`, which is for HTTPS alone.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('');
}

view.listen({
  retry: () => server.start(),
  enter: name => enter(name).then(view.showApp, error => view.showWelcome(reason(error))),
  join: joinByName,
  rooms: async () => view.showKnownRooms(await server.invoke('Rooms')),
  leave: () => leave().catch(refused),
  show: key => show(conversations.get(key)),
  talkTo: name => show(open('@', name)),
  say,
  refused,
  typing: tellTyping,
  seen,
});
server.start();
