// SPDX-License-Identifier: Apache-2.0
// Colours by kind. A kind has a hue; within it the module turns the hue a little and the function changes the lightness,
// so that neighbours differ and the same function looks the same everywhere. Colours are mixed in OKLCH, where equal
// lightness looks equally light, and so every frame carries the same text colour.

// In the order of the legend. Groups are the root level by process or thread.
export const KINDS = {
  kernel: { label: 'kernel', hue: 255, chroma: 0.085 },
  native: { label: 'native', hue: 55, chroma: 0.105 },
  inlined: { label: 'inlined', hue: 100, chroma: 0.1 },
  interpreted: { label: 'interpreted', hue: 150, chroma: 0.095 },
  jit: { label: 'jit', hue: 195, chroma: 0.075 },
  truncated: { label: 'truncated', hue: 20, chroma: 0.015 },
  unknown: { label: 'unknown', hue: 60, chroma: 0.02 },
  group: { label: 'process, thread', hue: 60, chroma: 0.008 },
};

export const THEMES = {
  light: {
    lightness: 0.835,
    spread: 0.035,
    chroma: 1,
    paper: '#ffffff',
    text: '#211d19',
    textDim: '#8b837b',
    match: '#c2185b',
    matchText: '#ffffff',
    outline: '#211d19',
    root: '#e9e4de',
    dust: '#ded7cf',
    dim: 0.22,
    veil: 0.5,
    hover: 'rgba(255,255,255,0.45)',
  },
  dark: {
    lightness: 0.46,
    spread: 0.035,
    chroma: 0.9,
    paper: '#1a1816',
    text: '#f6f1ec',
    textDim: '#8d857d',
    match: '#f0478a',
    matchText: '#1a0a11',
    outline: '#ffffff',
    root: '#3a3530',
    dust: '#332f2b',
    dim: 0.25,
    veil: 0.5,
    hover: 'rgba(255,255,255,0.16)',
  },
};

// FNV-1a over UTF-16 units: small, spreads well enough for shades.
export function hashText(text) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

// OKLCH (hue in degrees) as "rgb(r,g,b)", clipped to sRGB.
export function oklch(lightness, chroma, hue) {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const channels = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  const encode = (x) => {
    const clipped = Math.min(1, Math.max(0, x));
    return Math.round(255 * (clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * clipped ** (1 / 2.4) - 0.055));
  };
  return `rgb(${channels.map(encode).join(',')})`;
}

// The plain colour of a kind, for legends and badges.
export function kindColor(kind, themeName) {
  const theme = THEMES[themeName];
  const { hue, chroma } = KINDS[kind];
  return oklch(theme.lightness, chroma * theme.chroma, hue);
}

// A colour per function, at the function's index.
export function functionColors(functions, themeName) {
  const theme = THEMES[themeName];
  return functions.map((fn) => {
    const { hue, chroma } = KINDS[fn.kind];
    const turn = ((hashText(fn.module) % 7) - 3) * 2.5;
    const shade = ((hashText(fn.name) % 9) - 4) / 4;
    return oklch(theme.lightness + shade * theme.spread, chroma * theme.chroma, hue + turn);
  });
}
