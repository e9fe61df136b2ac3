import type { Cell, ShapeReport } from './report';

/** How one client did on one shape. */
export interface OverviewCell {
  /** Finishing time over the oracle's. */
  readonly ratio: number;
  /** Requests without an answer, also of a run that was stopped. */
  readonly lost: number;
}

/** All clients on all shapes, one figure each. */
export interface Overview {
  readonly columns: readonly {
    readonly title: string;
    /** Whether it is rxllm and no rival. */
    readonly isOwn: boolean;
  }[];
  readonly rows: readonly {
    readonly name: string;
    readonly title: string;
    /** One for each column; undefined where the client was left out. */
    readonly cells: readonly (OverviewCell | undefined)[];
  }[];
}

interface Column {
  readonly title: string;
  readonly isOwn: boolean;
  readonly find: (cells: readonly Cell[]) => Cell | undefined;
}

/** Each client where the provider says most, and rxllm also where it says nothing. */
export function overviewOf(reports: readonly ShapeReport[]): Overview {
  const clients = new Map(reports.flatMap(({ cells }) => cells.map(({ client }) => [client.name, client])));
  const columns = [...clients.values()].flatMap(({ name, title }): Column[] => {
    const isOwn = name === 'rxllm';
    const find = (cells: readonly Cell[]) => cells.find(({ client }) => client.name === name);
    const findBare = (cells: readonly Cell[]) =>
      cells.find(({ client, signals }) => client.name === name && signals === 'bare');
    const most = { title, isOwn, find };
    return isOwn ? [most, { title: `${title}, told nothing`, isOwn, find: findBare }] : [most];
  });
  return {
    columns: columns.map(({ title, isOwn }) => ({ title, isOwn })),
    rows: reports.map(({ shape, oracle, cells }) => ({
      name: shape.name,
      title: shape.title,
      cells: columns.map(({ find }) => {
        const figures = find(cells)?.figures;
        return figures && { ratio: figures.finished / oracle.finished, lost: figures.lost };
      }),
    })),
  };
}

/** A figure as tables and the chart show it. */
export function shownCell(cell: OverviewCell | undefined): string {
  if (!cell) return '–';
  return cell.lost > 0
    ? `${cell.lost.toLocaleString('en')} lost`
    : cell.ratio.toFixed(cell.ratio < 10 ? 2 : 0);
}
