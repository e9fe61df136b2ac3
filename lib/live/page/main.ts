import htm from 'htm';
import { h, render } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import 'uplot/dist/uPlot.min.css';
import { base, connect, type Known, type Link } from './connection';
import { Budgets, Errors, Flow, Savings, Slots, Times, VerdictBanner, Waits } from './sections';
import './style.css';

const html = htm.bind(h);

const links: Readonly<Record<Link, string>> = {
  live: 'live',
  polling: 'polling, as the stream failed',
  lost: 'no connection; trying again',
  paused: 'paused',
};

const dark = matchMedia('(prefers-color-scheme: dark)');

function App() {
  const [known, setKnown] = useState<Known>();
  const [link, setLink] = useState<Link>('live');
  const [isPaused, setPaused] = useState(false);
  const [theme, setTheme] = useState(dark.matches ? 'dark' : 'light');
  const connection = useMemo(
    () =>
      connect((told, by) => {
        setKnown(told);
        setLink(by);
      }),
    [],
  );

  useEffect(() => connection.setPaused(isPaused), [isPaused]);
  useEffect(() => void (document.documentElement.dataset['theme'] = theme), [theme]);
  useEffect(() => {
    const follow = () => setTheme(dark.matches ? 'dark' : 'light');
    const press = ({ key, ctrlKey, metaKey, altKey }: KeyboardEvent) => {
      if (ctrlKey || metaKey || altKey) {
        return;
      }
      if (key === 'p') {
        setPaused((was) => !was);
      } else if (key === 't') {
        setTheme((was) => (was === 'dark' ? 'light' : 'dark'));
      }
    };
    dark.addEventListener('change', follow);
    document.addEventListener('keydown', press);
    return () => {
      dark.removeEventListener('change', follow);
      document.removeEventListener('keydown', press);
    };
  }, []);

  const view = known && { ...known, theme };
  document.title = known ? `${known.state.title}: ${known.state.verdict.tone}` : 'rxllm';
  return html`
    <header>
      <h1>${known?.state.title ?? 'rxllm'}</h1>
      <span class=${`link ${link}`} role="status">${links[link]}</span>
      <button type="button" aria-pressed=${isPaused} onClick=${() => setPaused(!isPaused)}>
        ${isPaused ? 'Go on' : 'Pause'} <kbd>p</kbd>
      </button>
      <button type="button" onClick=${() => setTheme(theme === 'dark' ? 'light' : 'dark')}>
        ${theme === 'dark' ? 'Light' : 'Dark'} <kbd>t</kbd>
      </button>
    </header>
    <main>
      ${
        view
          ? html`
              <${VerdictBanner} ...${view} />
              <${Flow} ...${view} />
              <${Waits} ...${view} />
              <${Budgets} ...${view} />
              <${Slots} ...${view} />
              <${Savings} ...${view} />
              <${Times} ...${view} />
              <${Errors} ...${view} />
            `
          : html`<p class="empty">Waiting for the first figures.</p>`
      }
    </main>
    <footer><a href=${`${base}state.json`}>state.json</a> <a href=${`${base}metrics`}>metrics</a></footer>
  `;
}

render(html`<${App} />`, document.getElementById('view')!);
