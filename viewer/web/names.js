// SPDX-License-Identifier: Apache-2.0
// Shorter forms of a function's name, for frames too narrow for all of it. A C++ name is longest where it says least:
// template arguments and parameters go first, then the outer namespaces, the end only at last.

const ANONYMOUS = '(anonymous namespace)';

// Without template arguments and parameters: "std::vector<int>::push_back(int&&)" -> "std::vector<…>::push_back".
// Brackets that belong to the name stay: operator<, (anonymous namespace), Rust's <T as Trait>, Go's (*T).
export function collapseName(name) {
  let out = '';
  let i = 0;
  while (i < name.length) {
    const c = name[i];
    if ((c === '<' || c === '>' || c === '(') && /\boperator$/.test(out)) {
      const symbol = /^(\(\)|<=>|[<>]{1,2}=?|->\*?)/.exec(name.slice(i));
      if (symbol) {
        out += symbol[0];
        i += symbol[0].length;
        continue;
      }
    }
    if (c === '(' && name.startsWith(ANONYMOUS, i)) {
      out += ANONYMOUS;
      i += ANONYMOUS.length;
      continue;
    }
    const opens = c === '(' ? /[\w>)\]}…~$=]$|\boperator\W{1,3}$/.test(out) : c === '<' && /[\w>)\]}…$]$/.test(out);
    const end = opens ? closingBracket(name, i) : -1;
    if (end > 0) {
      if (c === '<') out += '<…>';
      i = end + 1;
      continue;
    }
    out += c;
    i++;
  }
  return out.replace(/(\s*(const|volatile|noexcept|&&?|\[clone [^\]]*\]))+$/, '').trim() || name;
}

// The bracket that closes the one at `from`, or -1. "->" closes nothing.
function closingBracket(name, from) {
  let depth = 0;
  for (let i = from; i < name.length; i++) {
    const c = name[i];
    if (c === '<' || c === '(' || c === '[' || c === '{') depth++;
    else if ((c === '>' && name[i - 1] !== '-') || c === ')' || c === ']' || c === '}') {
      if (--depth === 0) return i;
    }
  }
  return -1;
}

// The parts between "::" outside of brackets.
function components(name) {
  const parts = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < name.length; i++) {
    const c = name[i];
    if (c === '<' || c === '(' || c === '{') depth++;
    else if (c === '>' || c === ')' || c === '}') depth = Math.max(0, depth - 1);
    else if (depth === 0 && c === ':' && name[i + 1] === ':') {
      parts.push(name.slice(start, i));
      start = i + 2;
      i++;
    }
  }
  parts.push(name.slice(start));
  return parts;
}

// A template function carries its return type in front: "void f<int>(int)".
function withoutReturnType(collapsed, full) {
  if (!full.includes('(') || /\boperator\b/.test(collapsed)) return collapsed;
  let depth = 0;
  for (let i = collapsed.length - 1; i > 0; i--) {
    const c = collapsed[i];
    if (c === '>' || c === ')' || c === '}') depth++;
    else if (c === '<' || c === '(' || c === '{') depth--;
    else if (c === ' ' && depth === 0)
      return /^[\w:<>…*&\s]+$/.test(collapsed.slice(0, i)) ? collapsed.slice(i + 1) : collapsed;
  }
  return collapsed;
}

// Candidates from the full name to the shortest, without repeats. The painter takes the first that fits.
export function shortNames(name) {
  const forms = [name];
  if (name.startsWith('[')) return forms; // [libc.so.6+0x2f], [truncated: …]
  const collapsed = withoutReturnType(collapseName(name), name);
  const parts = components(collapsed).filter((part) => part !== ANONYMOUS);
  for (const form of [collapsed, parts.slice(-2).join('::'), parts.at(-1)]) {
    if (form && form.length < forms.at(-1).length) forms.push(form);
  }
  return forms;
}
