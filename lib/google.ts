export { googleCall, googleStreamCall, type GoogleModelsClient } from './clients/google';
