import './ten-times';
import '../properties/cache.spec';
import '../properties/conservation.spec';
import '../properties/misses.spec';
import '../properties/one-end.spec';
import '../properties/statistics.spec';
