// SPDX-License-Identifier: Apache-2.0
// Making elements. Names of functions, processes and files come from strangers: text enters the page here and only as a
// text node, never as markup.

// el('button', { class: 'x', onclick: f, 'aria-label': 't' }, child, 'text', …)
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function byId(id) {
  return document.getElementById(id);
}

// Small settings that outlive the page. A browser may forbid storage for files: then they live as long as the page.
export const settings = {
  get(key) {
    try {
      return localStorage.getItem('kiln.' + key);
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem('kiln.' + key, value);
    } catch {
      // Not kept, and nothing else is lost.
    }
  },
};
