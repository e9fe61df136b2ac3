import {
  choiceSetting,
  configObject,
  functionSetting,
  listenerSetting,
  noUnknownFields,
  numberSetting,
  requiredFunction,
  schedulerSetting,
  switchSetting,
} from '../../lib/core/settings';

describe('settings', () => {
  it('fall back where nothing is given', () => {
    expect(numberSetting('size', undefined, 5)).toBe(5);
    expect(choiceSetting('mode', undefined, 'on', ['on', 'off'])).toBe('on');
    expect(switchSetting('active', undefined, true)).toBe(true);
    expect(functionSetting<unknown>('make', undefined)).toBeUndefined();
    expect(listenerSetting('events', undefined)).toBeUndefined();
    expect(schedulerSetting(undefined)).toBeUndefined();
    expect(configObject('thing', undefined)).toEqual({});
  });

  it('name the field and show the value', () => {
    const given = (value: unknown) => value as never;
    expect(() => numberSetting('size', given('5'), 1)).toThrow(
      new TypeError("size must be a number, but is '5' (string)."),
    );
    expect(() => numberSetting('size', -1, 1)).toThrow(
      new RangeError('size must be a finite number of at least 0, but is -1.'),
    );
    expect(() => numberSetting('size', Infinity, 1)).toThrow(RangeError);
    expect(() => numberSetting('size', NaN, 1, { infinite: true })).toThrow(RangeError);
    expect(() => numberSetting('size', 0, 1, { above: true })).toThrow('above 0');
    expect(() => numberSetting('size', 1.5, 1, { whole: true })).toThrow('whole number');
    expect(() => choiceSetting('mode', given('of'), 'on', ['on', 'off'])).toThrow(
      "mode must be 'on' or 'off', but is 'of'.",
    );
    expect(() => switchSetting('active', given(1), true)).toThrow('active must be true or false, but is 1.');
    expect(() => functionSetting('make', given([]))).toThrow('make must be a function, but is an array.');
    expect(() => requiredFunction('make', undefined)).toThrow('make must be a function, but is undefined.');
    expect(() => listenerSetting('events', given(null))).toThrow(
      'events must have a next() method, but is null.',
    );
    expect(() => schedulerSetting(given(1))).toThrow('scheduler must have now() and schedule(), but is 1.');
    expect(() => schedulerSetting(given({ now: () => 0 }))).toThrow('but is an object.');
    expect(() => configObject('thing', given(null))).toThrow(
      'The config of thing must be an object, but is null.',
    );
  });

  it('refuse a field that is not known, with the nearest name', () => {
    const names = ['baseDelay', 'maxDelay', 'attempts'];
    const refusing = (field: string) => () => noUnknownFields('retry', { attempts: 1, [field]: 1 }, names);
    expect(refusing('maxDelays')).toThrow(
      new TypeError("retry has no field 'maxDelays'. Did you mean 'maxDelay'?"),
    );
    expect(refusing('BASEDELAY')).toThrow("Did you mean 'baseDelay'?");
    expect(refusing('tries')).toThrow('Did you mean');
    expect(refusing('x'.repeat(100_000))).toThrow('retry has no field a string of 100000 characters.');
    expect(refusing('maxDelay')).not.toThrow();
    expect(() => noUnknownFields('retry', { other: undefined }, names)).not.toThrow();
  });

  it('do not print long strings or what objects hold, which may be secrets', () => {
    const secret = 'sk-'.padEnd(60, 'x');
    const messageOf = (value: unknown) => {
      try {
        numberSetting('size', value as number, 1);
        return '';
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(messageOf(secret)).toBe('size must be a number, but is a string of 60 characters (string).');
    expect(messageOf({ secret })).not.toContain(secret);
  });
});
