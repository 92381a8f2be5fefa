"""JupyterLab whole, in a browser, through the gateway. Not a part of CI: it takes 250 MB and minutes to install."""
