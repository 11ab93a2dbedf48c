// SPDX-License-Identifier: Apache-2.0
// Keys to actions. A key that is typed into a field, or belongs to the browser, is left alone.

const KEYS = {
  '/': 'search',
  Escape: 'back',
  Backspace: 'back',
  i: 'flip',
  t: 'table',
  f: 'flame',
  s: 'sandwich',
  ContextMenu: 'sandwich',
  d: 'dark',
  '?': 'help',
  a: 'about',
  c: 'copy',
  n: 'nextMatch',
  N: 'previousMatch',
  0: 'everything',
  Home: 'everything',
  '+': 'zoomIn',
  '=': 'zoomIn',
  '-': 'zoomOut',
  Enter: 'focus',
  ArrowUp: 'up',
  ArrowDown: 'down',
  ArrowLeft: 'left',
  ArrowRight: 'right',
};

// The name of the action, or null. `target` is the element with the keyboard.
export function actionFor(event, target) {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key === 'f') {
    return target?.id === 'search' ? null : 'search'; // the second time it is the browser's own search
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  const action = KEYS[event.key] ?? null;
  if (target?.id === 'search') return event.key === 'Escape' ? 'leaveSearch' : null;
  if (target?.closest?.('dialog'))
    return event.key === '?' ? 'help' : event.key === 'a' ? 'about' : event.key === 'd' ? 'dark' : null;
  if (target?.tagName === 'SELECT' && event.key !== 'Escape') return null;
  const pressable = target?.tagName === 'BUTTON' && event.key === 'Enter';
  const scrollable = target?.classList?.contains('table-box') && /^(Arrow|Home)/.test(event.key);
  return pressable || scrollable ? null : action;
}

// actions: functions by the names above; one that returns false leaves the key to the browser.
export function listenToKeys(actions) {
  addEventListener('keydown', (event) => {
    const action = actionFor(event, event.target);
    if (action && actions[action]() !== false) event.preventDefault();
  });
}
