"""What is made of wsgate, and how it is run: images, packages, units, dashboards."""
