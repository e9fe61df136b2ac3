import { seededRandom } from '../../demos/model-server/random';
import { SizeEvidence } from '../../lib/limiter/size-evidence';

describe('SizeEvidence', () => {
  it('says nothing before enough calls of both kinds were counted', () => {
    const evidence = new SizeEvidence();
    for (let call = 0; call < 7; call++) {
      evidence.count(true, 100 + call);
      evidence.count(false, 1);
    }
    expect(evidence.isBySize).toBe(false);
  });

  it('finds out that larger calls are refused', () => {
    const evidence = new SizeEvidence();
    const random = seededRandom(1);
    for (let call = 0; call < 60; call++) {
      const size = Math.exp(2 * random());
      evidence.count(size > 4, size);
    }
    expect(evidence.isBySize).toBe(true);
  });

  it('is rarely wrong if calls of all sizes are refused alike', () => {
    const wrong = Array.from({ length: 200 }, (_, seed) => {
      const random = seededRandom(seed + 1);
      const evidence = new SizeEvidence();
      for (let call = 0; call < 200; call++) {
        evidence.count(random() < 0.3, Math.exp(2 * random()));
      }
      return evidence.isBySize;
    }).filter(Boolean).length;
    expect(wrong).toBeLessThanOrEqual(2);
  });

  it('does not care for sizes that are nearly the same', () => {
    const evidence = new SizeEvidence();
    for (let call = 0; call < 500; call++) {
      evidence.count(call % 2 === 0, call % 2 === 0 ? 1.1 : 1);
    }
    expect(evidence.isBySize).toBe(false);
  });
});
