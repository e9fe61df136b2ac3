import './ten-times';
import '../properties/keys.spec';
import '../properties/limits.spec';
import '../properties/provider-limits.spec';
import '../properties/provider-signals.spec';
import '../properties/store-tier.spec';
