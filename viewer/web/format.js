// SPDX-License-Identifier: Apache-2.0
// Numbers for people.

const NARROW_SPACE = '\u202f';

// 1234567 -> "1 234 567" (narrow no-break spaces)
export function formatCount(value) {
  const digits = String(Math.round(Math.abs(value)));
  return (value < 0 ? '−' : '') + digits.replace(/\B(?=(\d{3})+$)/g, NARROW_SPACE);
}

// Three significant digits, at most two decimals: 123, 12.3, 1.23, 0.12
function significant(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}

// Share as "12.3 %", "0.12 %"; what is there but tiny never reads as zero, and what is less than all never as all.
export function formatShare(part, whole) {
  if (!(whole > 0)) return '–';
  const percent = (100 * part) / whole;
  if (percent === 0) return `0${NARROW_SPACE}%`;
  if (percent < 0.01) return `<0.01${NARROW_SPACE}%`;
  if (percent === 100) return `100${NARROW_SPACE}%`;
  return `${percent > 99.9 ? '>99.9' : percent.toFixed(percent < 1 ? 2 : 1)}${NARROW_SPACE}%`;
}

export function formatDuration(nanoseconds) {
  const size = Math.abs(nanoseconds);
  const unit = (divisor, name) => `${significant(nanoseconds / divisor)}${NARROW_SPACE}${name}`;
  if (size === 0) return `0${NARROW_SPACE}s`;
  if (size < 999.5) return unit(1, 'ns');
  if (size < 999.5e3) return unit(1e3, 'µs');
  if (size < 999.5e6) return unit(1e6, 'ms');
  if (size < 120e9) return unit(1e9, 's');
  const seconds = Math.round(nanoseconds / 1e9);
  const two = (n) => String(n).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)}${NARROW_SPACE}min ${two(seconds % 60)}${NARROW_SPACE}s`;
  return `${formatCount(Math.floor(seconds / 3600))}${NARROW_SPACE}h ${two(Math.floor((seconds % 3600) / 60))}${NARROW_SPACE}min`;
}

export function formatBytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let i = 0;
  while (Math.abs(value) >= 1024 && i < units.length - 1) {
    value /= 1024;
    i++;
  }
  return `${i === 0 ? formatCount(value) : significant(value)}${NARROW_SPACE}${units[i]}`;
}

// Local date and time, without what the reader does not need: "2023-11-14 22:13:20"
export function formatTime(milliseconds) {
  const date = new Date(milliseconds);
  const two = (n) => String(n).padStart(2, '0');
  return (
    `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  );
}

// One value of a unit as text; unknown units are named after the number.
export function formatValue(value, type, unit) {
  if (unit === 'nanoseconds') return formatDuration(value);
  if (unit === 'microseconds') return formatDuration(value * 1e3);
  if (unit === 'milliseconds') return formatDuration(value * 1e6);
  if (unit === 'seconds') return formatDuration(value * 1e9);
  if (unit === 'bytes') return formatBytes(value);
  const noun = unit === 'count' || unit === '' ? type : unit;
  const singular = value === 1 && noun.endsWith('s') ? noun.slice(0, -1) : noun;
  return `${formatCount(value)} ${singular}`.trim();
}

export function baseName(path) {
  return path.slice(path.lastIndexOf('/') + 1);
}
