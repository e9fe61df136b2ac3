import { multiplyRuns } from '../properties/runs';

multiplyRuns(20);
jest.setTimeout(1_200_000);
