"""What is measured on configurations, and the thermodynamics that follows from the energies."""
