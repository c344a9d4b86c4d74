"""Lab 10, long documents: what a longer context is worth in novels, plays, genomes and questions."""
