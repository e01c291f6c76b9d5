/** Light, dark, or as the system says. */

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'headwater.theme';
const system = window.matchMedia('(prefers-color-scheme: dark)');

class ThemeChoice {
  chosen = $state<Theme>((document.documentElement.dataset.theme as Theme | undefined) ?? 'system');
  #systemDark = $state(system.matches);
  dark = $derived(this.chosen === 'system' ? this.#systemDark : this.chosen === 'dark');

  constructor() {
    system.addEventListener('change', () => (this.#systemDark = system.matches));
  }

  toggle(): void {
    const next = this.dark ? 'light' : 'dark';
    // Choosing what the system has anyway follows the system from then on.
    this.chosen = (next === 'dark') === this.#systemDark ? 'system' : next;
    if (this.chosen === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.chosen;
    try {
      if (this.chosen === 'system') localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, this.chosen);
    } catch {
      // Storage is switched off: the choice lasts as long as the page.
    }
  }
}

export const theme = new ThemeChoice();
