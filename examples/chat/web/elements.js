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
    element('p', { className: 'text', textContent: item.text }));
  line.classList.toggle('mine', item.from === me);
  line.classList.toggle('follows', follows(item, before));
  return line;
}

/** Whether a line continues what the same person said just before. */
export function follows(item, before) {
  return !item.notice && !!before && item.from === before.from && item.at - before.at < FOLLOWS_WITHIN;
}
