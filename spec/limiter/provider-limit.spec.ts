import { shapes } from '../../bench/limits/shapes';
import { describeShapes } from './kept-bounds';

// The other shapes are asked by spec/deep.
const quick = ['batch-300', 'tokens', 'minute-deep', 'hidden-second'];

describeShapes(shapes.filter(({ name }) => quick.includes(name)));
