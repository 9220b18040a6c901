"""The same account by the component: what is in `defs/` is all there is to it."""
