//! Small histories and the scenes that they make.
