/** @jest-config-loader esbuild-register */
import type { Config } from 'jest';

const typescript = {
  module: 'CommonJS',
  moduleResolution: 'node10',
  ignoreDeprecations: '6.0',
  isolatedModules: true,
};

const config: Config = {
  testEnvironment: 'node',
  // By itself it leaves one core idle, which is half of two.
  maxWorkers: '100%',
  testMatch: ['<rootDir>/spec/**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/spec/deep/'],
  transform: {
    '^.+\\.ts$': ['ts-jest', { tsconfig: typescript }],
    // It comes as ES modules only.
    '/@mistralai/.+\\.js$': ['ts-jest', { tsconfig: { ...typescript, allowJs: true }, diagnostics: false }],
  },
  transformIgnorePatterns: ['/node_modules/(?!@mistralai/)'],
  moduleNameMapper: {
    '^rxllm$': '<rootDir>/lib/index.ts',
    '^rxllm/disk$': '<rootDir>/lib/disk.ts',
    '^rxllm/(ai|anthropic|fetch|google)$': '<rootDir>/lib/$1.ts',
    '^rxllm/live$': '<rootDir>/lib/live.ts',
    '^rxllm/openai$': '<rootDir>/lib/openai.ts',
    '^rxllm/redis$': '<rootDir>/lib/redis.ts',
    '^rxllm/otel$': '<rootDir>/lib/otel.ts',
    '^rxllm/testing$': '<rootDir>/lib/testing.ts',
  },
};

export default config;
