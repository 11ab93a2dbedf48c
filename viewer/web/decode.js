// SPDX-License-Identifier: Apache-2.0
// The embedded data as a model: see viewer/encode.h for what comes in.
//
// A function is what frames are merged by: same name, module, source file and kind. Addresses and lines within it stay
// with the frames. Groups (processes by name, single processes, threads) are functions too, so that a stack can start
// with one; they follow the real ones in `functions`, from `groupStart` on.
import { baseName } from './format.js';

const INTERPRETED = new Set(['beam', 'cpython', 'dotnet', 'jvm', 'perl', 'php', 'ruby', 'v8js']);

// base64 of gzip of JSON -> the JSON's value
export async function unpack(base64) {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return JSON.parse(await new Response(stream).text());
}

export function frameKind(type, inlined) {
  if (type === 'kernel' || type === 'jit' || type === 'truncated') return type;
  if (INTERPRETED.has(type)) return 'interpreted';
  if (inlined) return 'inlined';
  return type === 'unknown' ? 'unknown' : 'native';
}

// What a frame without a name is called.
function placeName(module, address) {
  return module ? `[${baseName(module)}+0x${address}]` : address === '0' ? '[unknown]' : `[0x${address}]`;
}

export function decode(data) {
  if (data.version !== 1) throw new Error(`unknown data version ${data.version}`);
  const text = (index) => data.strings[index];
  const { functions, frames } = decodeFrames(data, text);
  const processes = data.processes.map(([pid, name, attributes]) => ({
    pid,
    attributes,
    name: text(name) || (pid === null ? 'unknown process' : `pid ${pid}`),
  }));
  const threads = data.threads.map(([process, id, name]) => ({
    process,
    id,
    name: text(name) || (id === null ? 'unknown thread' : `tid ${id}`),
    named: name !== 0,
  }));
  const model = {
    functions,
    frames,
    processes,
    threads,
    groupStart: functions.length,
    stacks: { offsets: offsetsOf(data.stacks.depth), frames: Int32Array.from(data.stacks.frames) },
    rows: {
      stack: Int32Array.from(data.samples.stack),
      thread: Int32Array.from(data.samples.thread),
      process: Int32Array.from(data.samples.thread, (thread) => data.threads[thread][0]),
      values: data.samples.values.map((column) => Float64Array.from(column)),
    },
    sampleTypes: data.sampleTypes.map(([type, unit]) => ({ type: text(type), unit: text(unit) })),
    period: { type: text(data.period[0]), unit: text(data.period[1]), value: data.period[2] },
    time: data.time,
    duration: data.duration,
    properties: data.properties.map(([key, value, unit]) => ({ key, value, unit })),
  };
  addGroups(model);
  return model;
}

function offsetsOf(lengths) {
  const offsets = new Int32Array(lengths.length + 1);
  for (let i = 0; i < lengths.length; i++) offsets[i + 1] = offsets[i] + lengths[i];
  return offsets;
}

function decodeFrames(data, text) {
  const columns = data.frames;
  const count = columns.name.length;
  const functions = [];
  const known = new Map();
  const functionOf = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const module = columns.module[i] < 0 ? '' : text(data.modules.file[columns.module[i]]);
    const name = text(columns.name[i]) || placeName(module, columns.address[i]);
    const type = data.frameTypes[columns.type[i]];
    const kind = frameKind(type, columns.inlined[i] === 1);
    const file = text(columns.file[i]);
    const key = [name, module, file, kind].join('\0');
    let index = known.get(key);
    if (index === undefined) {
      index = functions.length;
      known.set(key, index);
      functions.push({
        name,
        kind,
        type,
        file,
        module,
        systemName: text(columns.system[i]),
        startLine: columns.start[i],
        buildId: columns.module[i] < 0 ? '' : text(data.modules.buildId[columns.module[i]]),
      });
    }
    functionOf[i] = index;
  }
  return { functions, frames: { function: functionOf, line: columns.line, address: columns.address } };
}

function addGroups(model) {
  const add = (name, attributes) => {
    const kind = 'group';
    model.functions.push({
      name,
      kind,
      type: kind,
      file: '',
      module: '',
      systemName: '',
      startLine: 0,
      buildId: '',
      attributes,
    });
    return model.functions.length - 1;
  };
  const byName = new Map();
  for (const process of model.processes) {
    if (!byName.has(process.name)) {
      const alike = model.processes.filter(({ name }) => name === process.name).length;
      byName.set(process.name, add(process.name, alike === 1 ? process.attributes : [['processes', alike]]));
    }
    process.nameGroup = byName.get(process.name);
    process.group = add(process.pid === null ? process.name : `${process.name} (${process.pid})`, process.attributes);
  }
  for (const thread of model.threads) {
    thread.group = add(thread.id === null || !thread.named ? thread.name : `${thread.name} (${thread.id})`);
  }
}

// What may be counted: each sample type, and CPU time where a count has a period in nanoseconds. The value shown is that
// of `column` times `scale`. CPU time comes first: it is what people ask about.
export function metricsOf(model) {
  const metrics = model.sampleTypes.map(({ type, unit }, column) => ({
    column,
    type,
    unit,
    scale: 1,
    label: unit === 'nanoseconds' ? `${type} time` : type || 'value',
  }));
  const { type, unit, value } = model.period;
  const count = metrics.find((metric) => metric.unit === 'count');
  if (count && unit === 'nanoseconds' && value > 0 && !metrics.some((metric) => metric.unit === 'nanoseconds')) {
    const label = type === 'cpu' ? 'CPU time' : `${type} time`;
    metrics.unshift({ column: count.column, type, unit, scale: value, label });
  }
  return metrics;
}

// Text of the first of these properties that there is.
export function textProperty(model, ...keys) {
  for (const key of keys) {
    const found = model.properties.find((property) => property.key === key && property.value !== '');
    if (found) return String(found.value);
  }
  return '';
}

export const commandOf = (model) => textProperty(model, 'kiln.command', 'process.command_line', 'kiln.target');
export const hostOf = (model) => textProperty(model, 'kiln.host', 'host.name');

function numbersAbout(model, words) {
  return model.properties.filter(({ key, value }) => typeof value === 'number' && value > 0 && words.test(key));
}

// Properties with a number above zero that tell of samples or events that are not in the profile.
export function lossesOf(model) {
  return numbersAbout(model, /lost|drop|not_followed/i);
}

// Those that tell of anything that is less than it could be: names that are missing, stacks that were cut.
export function gapsOf(model) {
  return numbersAbout(model, /lost|drop|not_followed|miss|fail|error|truncat|incomplete|cut|unnamed|unknown/i);
}
