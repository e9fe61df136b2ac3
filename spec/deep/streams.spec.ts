import './twenty-times';
import '../properties/streams.spec';
