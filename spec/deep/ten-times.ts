import { multiplyRuns } from '../properties/runs';

multiplyRuns(10);
jest.setTimeout(1_200_000);
