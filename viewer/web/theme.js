// SPDX-License-Identifier: Apache-2.0
// Light or dark: as the system says, until the reader chooses.
import { settings } from './dom.js';

const systemDark = () => matchMedia('(prefers-color-scheme: dark)');

export class Theme {
  constructor(onChange) {
    this.chosen = settings.get('theme');
    this.printing = false;
    this.onChange = onChange;
    systemDark().addEventListener('change', () => this.apply());
    this.apply(false);
  }

  get name() {
    if (this.printing) return 'light';
    if (this.chosen === 'light' || this.chosen === 'dark') return this.chosen;
    return systemDark().matches ? 'dark' : 'light';
  }

  toggle() {
    this.chosen = this.name === 'dark' ? 'light' : 'dark';
    settings.set('theme', this.chosen);
    this.apply();
  }

  // Paper is light whatever the screen is.
  setPrinting(printing) {
    this.printing = printing;
    this.apply();
  }

  apply(tell = true) {
    document.documentElement.dataset.theme = this.name;
    if (tell) this.onChange();
  }
}
