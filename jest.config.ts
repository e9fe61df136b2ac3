/** @jest-config-loader esbuild-register */
import type { Config } from 'jest';

const config: Config = {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/spec/**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/spec/deep/'],
  transform: {
    '^.+\\.ts$': [
      'ts-jest',
      {
        tsconfig: {
          module: 'CommonJS',
          moduleResolution: 'node10',
          ignoreDeprecations: '6.0',
          isolatedModules: true,
        },
      },
    ],
  },
  moduleNameMapper: {
    '^rxllm$': '<rootDir>/lib/index.ts',
    '^rxllm/disk$': '<rootDir>/lib/disk.ts',
    '^rxllm/openai$': '<rootDir>/lib/openai.ts',
    '^rxllm/testing$': '<rootDir>/lib/testing.ts',
  },
};

export default config;
