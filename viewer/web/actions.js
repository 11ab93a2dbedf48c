// SPDX-License-Identifier: Apache-2.0
// What the keys do: the functions that keyboard.js calls by name. One that returns false leaves its key to the browser.
import { toggleDialog } from './dialogs.js';

export function keyActions(app) {
  const walk = (inIcicle, inFlame) => () => {
    const graph = app.activeGraph;
    if (!graph) return false;
    graph.step(graph.scene.flip ? inFlame : inIcicle);
    return true;
  };
  const onGraph = (act) => () => (app.activeGraph ? act(app.activeGraph) : false);
  return {
    search: () => {
      app.toolbar.search.focus();
      app.toolbar.search.select();
    },
    leaveSearch: () => (app.state.query ? app.clearSearch() : app.toolbar.search.blur()),
    back: () => app.back(),
    flip: () => app.flip(),
    table: () => app.setView(app.state.view === 'table' ? 'flame' : 'table'),
    flame: () => app.setView('flame'),
    sandwich: () => {
      const { selected, hovered } = app.activeGraph?.scene ?? {};
      if (selected > 0 || hovered > 0) app.activeGraph.openSelected();
      else app.setView('sandwich');
    },
    dark: () => app.theme.toggle(),
    help: () => toggleDialog('help'),
    about: () => toggleDialog('about'),
    copy: () => app.copyName(),
    nextMatch: () => app.nextMatch(1),
    previousMatch: () => app.nextMatch(-1),
    everything: onGraph((graph) => graph.camera.reset()),
    zoomIn: onGraph((graph) => graph.zoom(0.6)),
    zoomOut: onGraph((graph) => graph.zoom(1 / 0.6)),
    focus: onGraph((graph) => (graph.scene.selected >= 0 ? void graph.focus(graph.scene.selected) : false)),
    up: walk('out', 'in'),
    down: walk('in', 'out'),
    left: walk('left', 'left'),
    right: walk('right', 'right'),
  };
}
