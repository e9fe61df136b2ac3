import { shapes } from '../../bench/limits/shapes';
import { describeShapes } from '../limiter/kept-bounds';

describeShapes(shapes);
