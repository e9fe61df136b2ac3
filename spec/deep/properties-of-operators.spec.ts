import './ten-times';
import '../properties/cache.spec';
import '../properties/conservation.spec';
import '../properties/misses.spec';
import '../properties/one-end.spec';
import '../properties/programs.spec';
import '../properties/statistics.spec';
