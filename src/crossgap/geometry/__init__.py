"""Pure array kernels in blocks: checks, products, means, potentials, ranks, neighbours, spectra."""
