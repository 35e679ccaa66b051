// What the page is put together from. Texts of users become text nodes, never markup.

const FOLLOWS_WITHIN = 5 * 60_000;
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

export function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** The first letter of a name, in the colour of that name. */
export function avatar(name) {
  const made = element('span', { className: 'avatar', textContent: [...name][0].toUpperCase(), ariaHidden: 'true' });
  const hue = [...name.toLowerCase()].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
  made.style.setProperty('--hue', hue);
  return made;
}

/** A line, or a notice. */
export function itemElement(item, before, me) {
  if (item.notice) return element('li', { className: 'notice', textContent: item.notice });
  const line = element('li', { className: 'line' },
    avatar(item.from),
    element('div', { className: 'head' },
      element('span', { className: 'from', textContent: item.from }),
      element('time', { dateTime: new Date(item.at).toISOString(), textContent: clock.format(item.at) })),
    element('p', { className: 'text' }, ...linked(item.text)));
  line.classList.toggle('mine', item.from === me);
  line.classList.toggle('follows', follows(item, before));
  return line;
}

/** The text, with what is an address of the web as a link. Other schemes are text. */
function linked(text) {
  const parts = [];
  let rest = 0;
  for (const { 0: found, index } of text.matchAll(/\bhttps?:\/\/[^\s<>"]+/gi)) {
    const address = withoutPunctuation(found);
    if (!URL.canParse(address)) continue;
    const link = { href: address, textContent: address, target: '_blank', rel: 'noopener noreferrer nofollow' };
    parts.push(text.slice(rest, index), element('a', link));
    rest = index + address.length;
  }
  return [...parts, text.slice(rest)];
}

/** What ends the sentence is not part of the address, nor is a parenthesis that was open before it. */
function withoutPunctuation(address) {
  const count = character => address.split(character).length;
  while (/[.,;:!?'*_]$/.test(address) || (address.endsWith(')') && count(')') > count('('))) address = address.slice(0, -1);
  return address;
}

/** Whether a line continues what the same person said just before. */
export function follows(item, before) {
  return !item.notice && !!before && item.from === before.from && item.at - before.at < FOLLOWS_WITHIN;
}
